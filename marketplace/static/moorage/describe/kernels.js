// The Gaussian kernel k(x, y) = exp(-|x - y|^2 / (2 sigma^2)) and the sums made of it. Matrices are Float64Arrays, row by row.

export function squares(X, n, d) {
  const own = new Float64Array(n);
  for (let i = 0, at = 0; i < n; i++) {
    let sum = 0;
    for (const end = at + d; at < end; at++) sum += X[at] * X[at];
    own[i] = sum;
  }
  return own;
}

// <x, z_k> for one row x and all K points, four at a time: most of the time is spent here.
export function products(X, from, Z, K, d, out) {
  let k = 0;
  for (; k + 4 <= K; k += 4) {
    let a = k * d, b = a + d, c = b + d, e = c + d;
    let p = 0, q = 0, r = 0, s = 0;
    for (let j = from, end = from + d; j < end; j++) {
      const x = X[j];
      p += x * Z[a++];
      q += x * Z[b++];
      r += x * Z[c++];
      s += x * Z[e++];
    }
    out[k] = p;
    out[k + 1] = q;
    out[k + 2] = r;
    out[k + 3] = s;
  }
  for (; k < K; k++) {
    let sum = 0;
    for (let j = from, a = k * d, end = from + d; j < end; j++) sum += X[j] * Z[a++];
    out[k] = sum;
  }
}

// Adds sum_i k(x_i, z_k) over n rows to `total` (K,).
export function embed(X, n, Z, K, d, sigma, total) {
  const scale = 0.5 / sigma ** 2, own = squares(Z, K, d), other = squares(X, n, d), dot = new Float64Array(K);
  for (let i = 0; i < n; i++) {
    products(X, i * d, Z, K, d, dot);
    for (let k = 0; k < K; k++) total[k] += Math.exp(-scale * Math.max(0, own[k] + other[i] - 2 * dot[k]));
  }
  return total;
}

// c_k = mean_i k(z_k, x_i) over the rows of T = { X, n, squares }, and its gradient by z_k.
export function pull(Z, K, d, T, sigma) {
  const { X, n, squares: other } = T, scale = 0.5 / sigma ** 2, own = squares(Z, K, d);
  const c = new Float64Array(K), gradient = new Float64Array(K * d), C = new Float64Array(4 * K), dot = new Float64Array(K);
  for (let i = 0; i < n; i += 4) {
    const rows = Math.min(4, n - i);
    for (let r = 0; r < rows; r++) {
      products(X, (i + r) * d, Z, K, d, dot);
      for (let k = 0; k < K; k++) C[r * K + k] = Math.exp(-scale * Math.max(0, own[k] + other[i + r] - 2 * dot[k]));
    }
    if (rows < 4) C.fill(0, rows * K);
    const a = i * d, b = rows > 1 ? a + d : a, e = rows > 2 ? b + d : a, f = rows > 3 ? e + d : a;
    for (let k = 0; k < K; k++) {
      const p = C[k], q = C[K + k], r = C[2 * K + k], s = C[3 * K + k], sum = p + q + r + s;
      c[k] += sum;
      if (sum < 1e-12) continue;
      for (let j = 0, to = k * d; j < d; j++, to++) gradient[to] += p * X[a + j] + q * X[b + j] + r * X[e + j] + s * X[f + j];
    }
  }
  for (let k = 0; k < K; k++) {
    for (let j = k * d; j < (k + 1) * d; j++) gradient[j] = (gradient[j] - Z[j] * c[k]) / (n * sigma ** 2);
    c[k] /= n;
  }
  return [c, gradient];
}

// K[k, l] between the points themselves, (K, K).
export function gram(Z, K, d, sigma) {
  const A = new Float64Array(K * K), own = squares(Z, K, d), dot = new Float64Array(K), scale = 0.5 / sigma ** 2;
  for (let k = 0; k < K; k++) {
    products(Z, k * d, Z, K, d, dot);
    for (let l = 0; l < K; l++) A[k * K + l] = Math.exp(-scale * Math.max(0, own[k] + own[l] - 2 * dot[l]));
  }
  return A;
}

export function times(A, w, K) {
  const out = new Float64Array(K);
  for (let k = 0, at = 0; k < K; k++) {
    let sum = 0;
    for (let l = 0; l < K; l++) sum += A[at++] * w[l];
    out[k] = sum;
  }
  return out;
}

export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

// <mu_a, mu_b> of two outlines { points, weights }.
export function inner(a, b, d, sigma) {
  let sum = 0;
  const own = b.weights.length, at = new Float64Array(own), total = new Float64Array(own);
  for (let k = 0; k < a.weights.length; k++) {
    total.fill(0);
    embed(a.points.subarray(k * d, k * d + d), 1, b.points, own, d, sigma, total);
    for (let l = 0; l < own; l++) at[l] += a.weights[k] * total[l];
  }
  for (let l = 0; l < own; l++) sum += at[l] * b.weights[l];
  return sum;
}

export const squaredMmd = (a, b, d, sigma) => Math.max(0, inner(a, a, d, sigma) - 2 * inner(a, b, d, sigma) + inner(b, b, d, sigma));
