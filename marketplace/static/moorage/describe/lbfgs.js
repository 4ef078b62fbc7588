// Limited-memory BFGS (Nocedal, 1980) with the bisecting line search of Lewis and Overton (2013) for the weak Wolfe conditions.
import { dot } from "./kernels.js";

const MEMORY = 10, FLAT = 2.2e-9, LEVEL = 1e-5; // as scipy's

// The x at which f (returning [value, gradient]) is lowest after `steps` steps from x.
export function minimise(f, x, steps, tell = () => {}) {
  let [value, gradient] = f(x);
  const past = [];
  for (let step = 0; step < steps; step++) {
    tell(step / steps);
    if (gradient.every((g) => Math.abs(g) <= LEVEL)) break;
    let along = direction(gradient, past), slope = dot(along, gradient);
    if (!(slope < 0)) { past.length = 0; along = gradient.map((g) => -g); slope = -dot(gradient, gradient); }
    const found = search(f, x, along, value, slope, past.length ? 1 : Math.min(1, 1 / Math.sqrt(-slope)));
    if (!found) break;
    const s = found.x.map((v, i) => v - x[i]), y = found.gradient.map((g, i) => g - gradient[i]), curve = dot(s, y);
    if (curve > 1e-14 * dot(y, y)) {
      past.push({ s, y, curve });
      if (past.length > MEMORY) past.shift();
    }
    const gain = value - found.value, size = Math.max(Math.abs(value), Math.abs(found.value), 1);
    ({ x, value, gradient } = found);
    if (gain <= FLAT * size) break;
  }
  return x;
}

function direction(gradient, past) {
  const q = gradient.map((g) => -g), a = [];
  for (let i = past.length - 1; i >= 0; i--) {
    a[i] = dot(past[i].s, q) / past[i].curve;
    for (let j = 0; j < q.length; j++) q[j] -= a[i] * past[i].y[j];
  }
  const last = past.at(-1);
  if (last) { const scale = last.curve / dot(last.y, last.y); for (let j = 0; j < q.length; j++) q[j] *= scale; }
  for (let i = 0; i < past.length; i++) {
    const b = dot(past[i].y, q) / past[i].curve;
    for (let j = 0; j < q.length; j++) q[j] += (a[i] - b) * past[i].s[j];
  }
  return q;
}

function search(f, x, along, value, slope, first) {
  let low = 0, high = Infinity, t = first, best = null;
  for (let turn = 0; turn < 20; turn++) {
    const at = x.map((v, i) => v + t * along[i]), [reached, gradient] = f(at);
    if (!(reached <= value + 1e-4 * t * slope)) high = t;
    else {
      best = { x: at, value: reached, gradient };
      if (dot(gradient, along) >= 0.9 * slope) return best;
      low = t;
    }
    t = high < Infinity ? (low + high) / 2 : 2 * t;
  }
  return best;
}
