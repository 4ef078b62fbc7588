// The best weights for points that stand: min w'Aw - 2 c'w over w >= 0, exactly.
import { gettext_noop, Refused } from "./refused.js";
import { gram, times } from "./kernels.js";

const MOST_MASS = 1.05; // specs.rkme.MAX_MASS
const RIDGE = 1e-7;

// Points, weights of at least `least` and free mass, and c, without the points that would weigh less than half of `least` (specs.reduce.solve_weights).
export function solveWeights(Z, K, d, c, sigma, least = 0) {
  const A = gram(Z, K, d, sigma);
  let w = nonNegative(A, c, K);
  const kept = [...w.keys()].filter((k) => w[k] > Math.max(1e-9, 0.5 * least));
  if (!kept.length) throw new Refused("not-reducible", gettext_noop("The rows lie too far apart for this space: no point stands for two of them."), gettext_noop("Bring more rows, or check the units of the columns."));
  const points = new Float64Array(kept.length * d);
  kept.forEach((k, i) => points.set(Z.subarray(k * d, k * d + d), i * d));
  const B = part(A, K, kept), e = Float64Array.from(kept, (k) => c[k]);
  w = Float64Array.from(kept, (k) => w[k]);
  if (least && w.some((share) => share < least)) {
    const floor = Math.min(least, 1 / kept.length), under = times(B, new Float64Array(kept.length).fill(floor), kept.length);
    w = nonNegative(B, e.map((value, k) => value - under[k]), kept.length).map((share) => floor + share);
  }
  const mass = w.reduce((sum, share) => sum + share, 0);
  if (mass > MOST_MASS) w = w.map((share) => share * MOST_MASS / mass * (1 - 1e-9));
  return { Z: points, K: kept.length, w, c: e, A: B };
}

// Block principal pivoting (Portugal, Judice and Vicente, 1994): whole groups change sides, single ones once groups stop helping, so it ends.
export function nonNegative(A, c, K) {
  const inside = new Uint8Array(K).fill(1);
  let w, fewest = K + 1, tries = 3;
  for (let turn = 0; turn < 20 * K + 50; turn++) {
    const free = [...inside.keys()].filter((k) => inside[k]), found = solve(part(A, K, free), free.map((k) => c[k]), free.length);
    w = new Float64Array(K);
    free.forEach((k, i) => { w[k] = found[i]; });
    const dual = times(A, w, K);
    const wrong = [...inside.keys()].filter((k) => (inside[k] ? w[k] < 0 : dual[k] + RIDGE * w[k] - c[k] < -1e-12));
    if (!wrong.length) return w;
    if (wrong.length < fewest) [fewest, tries] = [wrong.length, 3];
    else tries -= 1;
    for (const k of tries >= 0 ? wrong : [wrong.at(-1)]) inside[k] ^= 1;
  }
  return w.map((share) => Math.max(0, share));
}

function part(A, K, kept) {
  const B = new Float64Array(kept.length ** 2);
  kept.forEach((k, i) => kept.forEach((l, j) => { B[i * kept.length + j] = A[k * K + l]; }));
  return B;
}

// (A + ridge) x = b by Cholesky's factor.
function solve(A, b, K) {
  const L = A, x = Float64Array.from(b);
  for (let i = 0; i < K; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = A[i * K + j] + (i === j ? RIDGE : 0);
      for (let k = 0; k < j; k++) sum -= L[i * K + k] * L[j * K + k];
      L[i * K + j] = i === j ? Math.sqrt(Math.max(sum, 1e-15)) : sum / L[j * K + j];
    }
  }
  for (let i = 0; i < K; i++) { for (let k = 0; k < i; k++) x[i] -= L[i * K + k] * x[k]; x[i] /= L[i * K + i]; }
  for (let i = K - 1; i >= 0; i--) { for (let k = i + 1; k < K; k++) x[i] -= L[k * K + i] * x[k]; x[i] /= L[i * K + i]; }
  return x;
}
