// What the browser makes of the vectors, in Node and in Chromium alike. Python judges it (test_browser.py).
import { encoded } from "./describe/columns.js";
import { read } from "./describe/csv.js";
import { exposure } from "./describe/exposure.js";
import { squaredMmd } from "./describe/kernels.js";
import { embedding, reduce, squaredNorm } from "./describe/reduce.js";
import { specification } from "./describe/specification.js";

export async function conform(vectors) {
  const found = {};
  for (const [name, vector] of Object.entries(vectors)) found[name] = await made(vector);
  return found;
}

async function made({ csv, points, space, space_id: spaceId, halves }) {
  const bytes = new TextEncoder().encode(csv);
  const table = await read(new File([bytes], "table.csv"));
  const rows = encoded(space, table), { n, d } = rows, sigma = space.kernel.sigma;
  const X = rows.fill(new Float64Array(n * d), Uint32Array.from({ length: n }, (_, i) => i)), sums = new Array(d).fill(0);
  X.forEach((x, i) => { sums[i % d] += x; });
  const [one, other] = halves.map((half) => ({ points: unpack(half.points, Float32Array), weights: unpack(half.weights, Float64Array) }));
  const toRows = (half) => {
    const c = embedding(rows, half.points, half.weights.length, sigma);
    return squaredMmd(half, { points: half.points.subarray(0, d), weights: new Float64Array(1) }, d, sigma) - 2 * half.weights.reduce((sum, w, k) => sum + w * c[k], 0) + squaredNorm(rows, sigma);
  };
  const text = () => { const outline = reduce(rows, { sigma, points, seed: 7 }); return [specification({ space, spaceId, outline, seed: 7, points, semantic: { name: "ö \"x\"" } }), outline]; };
  const [first, outline] = text();
  return {
    n, columns: table.columns.map(({ name, type }) => ({ name, type })), coordinates: [...X.slice(0, 40 * d)], sums,
    between: squaredMmd(one, other, d, sigma), toRows: [toRows(one), toRows(other)],
    specification: first, isSteady: n > 400 || first === text()[0], gap: exposure(rows, outline).gap,
  };
}

function unpack({ data }, Kind) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  return Float64Array.from(new Kind(bytes.buffer));
}
