// From many rows to a few weighted points: the recipe of specs/reduce.py, in the browser. k-means++ and Lloyd's algorithm, L-BFGS jointly on
// points and weights against a sample, corrected by a larger one, then the weights again, exactly, against every row.
import { Chance } from "./chance.js";
import { dot, embed, gram, products, pull, squares, times } from "./kernels.js";
import { minimise } from "./lbfgs.js";
import { solveWeights } from "./weights.js";

export const VERSION = "1";
export const LEAST_ROWS = 5; // that a point stands for, where there are ten rows a point
const STEPS = 20, ROUNDS = 4, ROUND_STEPS = 8, STARTS = 5;
const SCALE = 1e3;
const EXACT_ROWS = 600;
const WORK = 1.2e9; // multiplications that the steps, and the corrections, may take
const BLOCK = 2048;

// rows: { n, d, fill } (columns.js). Returns { points, weights, K, d, n, fit, random, floor }: `random`, the squared MMD of as many random rows
// to the data; `floor`, what sampling alone makes.
export function reduce(rows, { sigma, points = 100, seed = 0, tell = () => {} }) {
  const { n, d } = rows, chance = new Chance(seed);
  let K = Math.min(points, Math.max(1, Math.floor(n / 2)));
  const asked = K, least = n >= 10 * K ? LEAST_ROWS / n : 0;
  const sample = draw(rows, clamp(WORK / (10 * K * d), 5_000, 100_000), chance);
  centre(sample);
  tell("points", 0.02);
  let start = begin(sample, K, sigma, chance, least);
  K = start.K;
  let Z = refine(sample, start, sigma, chance, least, (share) => tell("points", 0.1 + 0.85 * share));
  for (let k = 0; k < K; k++) for (let j = 0; j < d; j++) Z[k * d + j] = Math.fround(Z[k * d + j] + sample.middle[j]); // float32, as they are kept
  const found = solveWeights(Z, K, d, embedding(rows, Z, K, sigma, (share) => tell("weights", share)), sigma, least);
  const gauge = measure(rows, found, asked, sigma, chance, sample.middle, (share) => tell("gauge", share));
  const squaredNorm = dot(found.w, times(found.A, found.w, found.K));
  return { points: found.Z, weights: found.w, K: found.K, d, n, ...gauge, floor: Math.max(0, 1 - squaredNorm - gauge.fit) / n };
}

const clamp = (value, low, high) => Math.floor(Math.min(high, Math.max(low, value)));

export function draw(rows, most, chance) {
  const numbers = chance.some(rows.n, most), X = rows.fill(new Float64Array(numbers.length * rows.d), numbers);
  return { X, n: numbers.length, d: rows.d, isWhole: numbers.length === rows.n };
}

function centre(sample) {
  const { X, n, d } = sample, middle = new Float64Array(d);
  for (let i = 0, at = 0; i < n; i++) for (let j = 0; j < d; j++) middle[j] += X[at++];
  for (let j = 0; j < d; j++) middle[j] /= n;
  for (let i = 0, at = 0; i < n; i++) for (let j = 0; j < d; j++) X[at++] -= middle[j];
  Object.assign(sample, { middle, squares: squares(X, n, d) });
}

function some({ X, n, d, squares: own }, most, chance) {
  if (n <= most) return { X, n, d, squares: own };
  const part = { X: new Float64Array(most * d), n: most, d, squares: new Float64Array(most) };
  chance.some(n, most).forEach((row, i) => { part.X.set(X.subarray(row * d, row * d + d), i * d); part.squares[i] = own[row]; });
  return part;
}

function begin(sample, K, sigma, chance, least) {
  const few = some(sample, Math.max(20 * K, 1_000), chance);
  const tries = STARTS * (sample.n > 20_000 ? 2 : 1), starts = Math.max(1, Math.min(tries, Math.floor(10 * tries / K)));
  let best = null;
  for (let turn = 0; turn < starts; turn++) {
    let found = lloyd(few, seeds(few, K, chance), 5), value = 0;
    if (starts > 1) {
      const c = embed(few.X, few.n, found.Z, found.K, few.d, sigma, new Float64Array(found.K)).map((sum) => sum / few.n);
      const kept = solveWeights(found.Z, found.K, few.d, c, sigma);
      value = dot(kept.w, times(kept.A, kept.w, kept.K)) - 2 * dot(kept.w, kept.c);
    }
    if (!best || value < best.value) best = { ...found, value };
  }
  const many = some(sample, Math.max(100 * K, 4_000), chance);
  if (many.n > few.n) best = lloyd(many, best, 2);
  return least && best.shares.some((share) => share < least) ? withoutLoners(many, best, least, chance) : best;
}

// Centres of too few rows sit where the kernel is flat: the largest are split in their place, and what is still too small goes.
function withoutLoners({ X, n, d, squares: own }, { Z, K, shares }, least, chance) {
  const kept = [...shares.keys()].filter((k) => shares[k] >= least);
  const large = [...shares.keys()].sort((a, b) => shares[b] - shares[a]).slice(0, K - kept.length);
  const spread = new Float64Array(d);
  for (let i = 0, at = 0; i < n; i++) for (let j = 0; j < d; j++, at++) spread[j] += X[at] ** 2 / n; // about a centre of almost nought
  const centres = new Float64Array(K * d);
  [...kept, ...large].forEach((k, i) => { for (let j = 0; j < d; j++) centres[i * d + j] = Z[k * d + j] + (i < kept.length ? 0 : 0.1 * Math.sqrt(spread[j]) * chance.normal()); });
  const again = lloyd({ X, n, d, squares: own }, { Z: centres, K }, 3);
  const enough = [...again.shares.keys()].filter((k) => again.shares[k] >= least);
  if (!enough.length) return again;
  const mass = enough.reduce((sum, k) => sum + again.shares[k], 0), Zs = new Float64Array(enough.length * d);
  enough.forEach((k, i) => Zs.set(again.Z.subarray(k * d, k * d + d), i * d));
  return { Z: Zs, K: enough.length, shares: Float64Array.from(enough, (k) => again.shares[k] / mass) };
}

// k-means++ with a few candidates for each centre (Arthur and Vassilvitskii, 2007); at most K different rows.
function seeds({ X, n, d, squares: own }, K, chance) {
  const tries = 2 + Math.floor(Math.log(K)), nearest = new Float64Array(n), chosen = [], reach = new Float64Array(n);
  const distances = (row) => {
    const D = new Float64Array(n), Y = X.subarray(row * d, row * d + d);
    products(Y, 0, X, n, d, D);
    for (let i = 0; i < n; i++) D[i] = i === row ? 0 : Math.max(0, own[i] + own[row] - 2 * D[i]);
    return D;
  };
  chosen.push(Math.min(n - 1, Math.floor(chance.uniform() * n)));
  nearest.set(distances(chosen[0]));
  while (chosen.length < K) {
    let total = 0;
    for (let i = 0; i < n; i++) reach[i] = total += nearest[i];
    if (!(total > 0)) break;
    let best = null;
    for (let turn = 0; turn < tries; turn++) {
      const row = after(reach, chance.uniform() * total), D = distances(row);
      let sum = 0;
      for (let i = 0; i < n; i++) sum += D[i] = Math.min(D[i], nearest[i]);
      if (!best || sum < best.sum) best = { row, D, sum };
    }
    chosen.push(best.row);
    nearest.set(best.D);
  }
  const Z = new Float64Array(chosen.length * d);
  chosen.forEach((row, k) => Z.set(X.subarray(row * d, row * d + d), k * d));
  return { Z, K: chosen.length };
}

function after(reach, value) {
  let low = 0, high = reach.length - 1;
  while (low < high) { const middle = (low + high) >> 1; if (reach[middle] > value) high = middle; else low = middle + 1; }
  return low;
}

function lloyd({ X, n, d }, { Z, K }, rounds) {
  let shares;
  for (let round = 0; round < rounds; round++) {
    const half = squares(Z, K, d), near = new Float64Array(K), sums = new Float64Array(K * d), counts = new Float64Array(K);
    for (let i = 0; i < n; i++) {
      products(X, i * d, Z, K, d, near);
      let best = 0;
      for (let k = 0; k < K; k++) { near[k] -= 0.5 * half[k]; if (near[k] > near[best]) best = k; }
      counts[best] += 1;
      for (let j = 0, at = i * d, to = best * d; j < d; j++) sums[to++] += X[at++];
    }
    const filled = [...counts.keys()].filter((k) => counts[k]);
    [Z, K, shares] = [new Float64Array(filled.length * d), filled.length, Float64Array.from(filled, (k) => counts[k] / n)];
    filled.forEach((k, i) => { for (let j = 0; j < d; j++) Z[i * d + j] = sums[k * d + j] / counts[k]; });
  }
  return { Z, K, shares };
}

// Points and weights together against a small sample T, corrected to first order by the whole sample F (variance reduction; specs.reduce.refine).
function refine(sample, { Z, K, shares }, sigma, chance, least, tell) {
  const { d } = sample, gamma = 0.5 / sigma ** 2, usual = Math.max(1_000, 20 * K);
  const T = some(sample, clamp(WORK / (130 * K * d) * 4, Math.min(usual, Math.max(600, 4 * K)), usual), chance), isWhole = T.n === sample.n && sample.isWhole;
  const stretch = Math.sqrt(2 * K / gamma), plan = T.n === sample.n ? [STEPS] : [STEPS, ...new Array(ROUNDS).fill(ROUND_STEPS)];
  const value = (Z, w, c) => dot(w, times(gram(Z, K, d, sigma), w, K)) - 2 * dot(w, c);
  let w = shares, best = null;
  for (let turn = 0; turn < plan.length; turn++) {
    let correct = null;
    if (turn) {
      const here = pull(Z, K, d, sample, sigma), reached = value(Z, w, here[0]);
      if (best && reached > best.value) { ({ Z, w } = best); break; } // followed beyond where the line holds
      best = { value: reached, Z, w };
      correct = correction(Z, K, d, here, pull(Z, K, d, T, sigma), gamma);
    }
    const f = (theta) => {
      const Z = new Float64Array(K * d), w = new Float64Array(K), root = theta.subarray(K * d);
      for (let i = 0; i < K * d; i++) Z[i] = stretch * theta[i];
      for (let k = 0; k < K; k++) w[k] = least + root[k] ** 2;
      const [c, gc] = pull(Z, K, d, T, sigma);
      if (correct) correct(Z, c, gc);
      const A = gram(Z, K, d, sigma), Aw = times(A, w, K), g = new Float64Array(theta.length), near = new Float64Array(d);
      for (let k = 0; k < K; k++) {
        near.fill(0);
        for (let l = 0; l < K; l++) { const a = A[k * K + l] * w[l]; if (a > 1e-14) for (let j = 0, at = l * d; j < d; j++) near[j] += a * Z[at++]; }
        // d/dz_k = 2 w_k [ -2 gamma sum_l w_l A_kl (z_k - z_l) - d c_k / d z_k ]
        for (let j = 0, at = k * d; j < d; j++, at++) g[at] = SCALE * stretch * 2 * w[k] * (-2 * gamma * (Z[at] * Aw[k] - near[j]) - gc[at]);
        g[K * d + k] = SCALE * 4 * (Aw[k] - c[k]) * root[k];
      }
      return [SCALE * (dot(w, Aw) - 2 * dot(w, c)), g];
    };
    const x = new Float64Array(K * d + K);
    for (let i = 0; i < K * d; i++) x[i] = Z[i] / stretch;
    for (let k = 0; k < K; k++) x[K * d + k] = Math.sqrt(Math.max(w[k] - least, 0.2 * w[k]));
    const end = minimise(f, x, plan[turn], (share) => tell((turn + share) / plan.length));
    Z = end.slice(0, K * d).map((v) => stretch * v);
    w = end.slice(K * d).map((v) => least + v * v);
  }
  return best && !isWhole && value(Z, w, pull(Z, K, d, sample, sigma)[0]) > best.value ? best.Z : Z;
}

function correction(Z0, K, d, ofAll, ofSome, gamma) {
  const off = ofAll[0].map((v, k) => v - ofSome[0][k]), slope = ofAll[1].map((v, i) => v - ofSome[1][i]);
  return (Z, c, gc) => {
    for (let k = 0; k < K; k++) {
      let far = 0, line = off[k];
      for (let at = k * d; at < (k + 1) * d; at++) { const step = Z[at] - Z0[at]; far += step * step; line += slope[at] * step; }
      const near = Math.exp(-gamma * far);
      c[k] += line * near;
      for (let at = k * d; at < (k + 1) * d; at++) gc[at] += slope[at] * near - 2 * gamma * line * near * (Z[at] - Z0[at]);
    }
  };
}

function blocks(rows, see, tell = () => {}) {
  const X = new Float64Array(BLOCK * rows.d);
  for (let start = 0; start < rows.n; start += BLOCK) {
    const size = Math.min(BLOCK, rows.n - start);
    rows.fill(X, Uint32Array.from({ length: size }, (_, i) => start + i));
    see(X, size);
    tell(start / rows.n);
  }
}

// The mean embedding of every row at the points, (K,).
export function embedding(rows, Z, K, sigma, tell) {
  const total = new Float64Array(K);
  blocks(rows, (X, size) => embed(X, size, Z, K, rows.d, sigma, total), tell);
  return total.map((sum) => sum / rows.n);
}

// The mean over all pairs of rows.
export function squaredNorm(rows, sigma) {
  const all = rows.fill(new Float64Array(rows.n * rows.d), Uint32Array.from({ length: rows.n }, (_, i) => i)), total = embed(all, rows.n, all, rows.n, rows.d, sigma, new Float64Array(rows.n));
  return total.reduce((sum, value) => sum + value, 0) / rows.n ** 2;
}

// Squared MMD to the data of the points, and on average of five draws of K random rows: over all pairs where rows are few, else by random features,
// whose error is relative to what they measure.
function measure(rows, found, K, sigma, chance, middle, tell) {
  const { n, d } = rows, few = Math.min(K, n);
  const others = Array.from({ length: 5 }, () => ({ Z: rows.fill(new Float64Array(few * d), chance.some(n, few)), K: few, w: new Float64Array(few).fill(1 / few) }));
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  if (n <= EXACT_ROWS) {
    const norm = squaredNorm(rows, sigma);
    const apart = ({ Z, K, w }) => Math.max(0, dot(w, times(gram(Z, K, d, sigma), w, K)) - 2 * dot(w, embedding(rows, Z, K, sigma)) + norm);
    return { fit: apart(found), random: mean(others.map(apart)) };
  }
  const features = clamp(640_000 / n, 32, 64), omega = new Float64Array(features * d).map(() => chance.normal() / sigma);
  const shifts = new Float64Array(features), angles = new Float64Array(features);
  products(middle, 0, omega, features, d, shifts);
  const waves = (X, size, share, total) => {
    for (let i = 0; i < size; i++) {
      products(X, i * d, omega, features, d, angles);
      for (let j = 0; j < features; j++) { const angle = angles[j] - shifts[j]; total[j] += share(i) * Math.cos(angle); total[features + j] += share(i) * Math.sin(angle); }
    }
    return total;
  };
  const whole = new Float64Array(2 * features);
  blocks(rows, (X, size) => waves(X, size, () => 1 / n, whole), tell);
  const apart = ({ Z, K, w }) => { const off = waves(Z, K, (k) => w[k], new Float64Array(2 * features)).map((value, j) => value - whole[j]); return dot(off, off) / features; };
  return { fit: apart(found), random: mean(others.map(apart)) };
}
