// What an outline gives away, and how it looks over the data: specs/privacy.py's figures, and two principal components.
import { Chance } from "./chance.js";
import { dot, products, squares } from "./kernels.js";
import { draw } from "./reduce.js";

export const ENOUGH_ROWS = 100; // rows a point, from where on a membership attack is near guessing
const LOOKED_AT = 20_000, LONELY = 500, COPY = 0.01;
const SHOWN = 1_500;

export function exposure(rows, { points, weights, K, n }, seed = 0) {
  const chance = new Chance(seed), { X, n: seen, d } = draw(rows, Math.min(LOOKED_AT, Math.max(2_000, Math.floor(4e8 / (LONELY * rows.d)))), chance), own = squares(X, seen, d);
  const near = nearest(X, seen, d, own, points, squares(points, K, d), K);
  const some = chance.some(seen, LONELY), lonely = new Float64Array(some.length * d);
  some.forEach((row, i) => lonely.set(X.subarray(row * d, row * d + d), i * d));
  const typical = median(nearest(X, seen, d, own, lonely, squares(lonely, some.length, d), some.length, some));
  const copies = near.filter((gap) => (typical > 0 ? gap <= COPY * typical : gap <= 1e-9)).length / K;
  return { rowsAPoint: n / K, gap: typical > 0 ? median(near) / typical : 0, copies, smallest: Math.min(...weights) * n, most: Math.max(1, Math.floor(n / ENOUGH_ROWS)) };
}

// The distance of each of m points to its nearest row; of rows, to its nearest other one.
function nearest(X, n, d, own, Y, ys, m, except = null) {
  const least = new Float64Array(m).fill(Infinity), near = new Float64Array(m);
  for (let i = 0; i < n; i++) {
    products(X, i * d, Y, m, d, near);
    for (let k = 0; k < m; k++) {
      const squared = own[i] + ys[k] - 2 * near[k];
      if (squared < least[k] && !(except && except[k] === i)) least[k] = squared;
    }
  }
  return least.map((squared) => Math.sqrt(Math.max(0, squared)));
}

function median(values) {
  const sorted = Float64Array.from(values).sort(), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

// Some rows and all points on the data's two widest directions: { rows: [[x, y]], points: [[x, y]], axes: [{ share, names }] }.
export function picture(rows, { points, K }, seed = 0) {
  const { X, n, d } = draw(rows, SHOWN, new Chance(seed)), middle = new Float64Array(d);
  for (let i = 0; i < n * d; i++) middle[i % d] += X[i] / n;
  for (let i = 0; i < n * d; i++) X[i] -= middle[i % d];
  const total = dot(X, X) / n || 1, axes = [];
  for (let axis = 0; axis < Math.min(2, d); axis++) axes.push(widest(X, n, d, axes, new Chance(axis + 1)));
  const on = (Y, count, shift) => Array.from({ length: count }, (_, i) => [0, 1].map((axis) => (axes[axis] ? along(axes[axis].v, Y, i * d, shift) : 0)));
  return {
    rows: on(X, n, null), points: on(points, K, middle),
    axes: axes.map(({ v, spread }) => ({ share: spread / total, names: mostly(v, rows.names) })),
  };
}

function along(v, Y, from, shift) {
  let sum = 0;
  for (let j = 0; j < v.length; j++) sum += v[j] * (Y[from + j] - (shift ? shift[j] : 0));
  return sum;
}

// Power iteration, each time freed of the directions found before.
function widest(X, n, d, before, chance) {
  let v = Float64Array.from({ length: d }, () => chance.normal()), spread = 0;
  for (let turn = 0; turn < 60; turn++) {
    for (const { v: u } of before) { const share = dot(u, v); v = v.map((x, j) => x - share * u[j]); }
    const length = Math.sqrt(dot(v, v)) || 1, next = new Float64Array(d);
    v = v.map((x) => x / length);
    spread = 0;
    for (let i = 0; i < n; i++) {
      const at = along(v, X, i * d, null);
      spread += at * at / n;
      for (let j = 0, from = i * d; j < d; j++) next[j] += at * X[from++];
    }
    if (turn < 59) v = next;
  }
  const largest = v.reduce((best, x) => (Math.abs(x) > Math.abs(best) ? x : best), 0);
  return { v: largest < 0 ? v.map((x) => -x) : v, spread };
}

function mostly(v, names) {
  const mass = new Map();
  names.forEach((name, j) => mass.set(name, (mass.get(name) ?? 0) + v[j] ** 2));
  return [...mass].sort((one, other) => other[1] - one[1]).slice(0, 2).map(([name]) => name);
}
