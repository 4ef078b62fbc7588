// The file (docs/specification-format.md), byte for byte as Python writes it: sorted keys, no spaces, floats in Python's words.
import { wording } from "./columns.js";
import { VERSION } from "./reduce.js";

class Float {
  constructor(value) { this.text = Number.isInteger(value) && Math.abs(value) < 1e16 ? `${Object.is(value, -0) ? "-0" : value}.0` : floating(value); }
}

function floating(value) {
  if (Math.abs(value) < 1e16) return wording(value);
  const [digits, power] = value.toExponential().split("e");
  return `${digits}e${power[0]}${power.slice(1).padStart(2, "0")}`;
}

export function specification({ space, spaceId, outline, seed, points, semantic }) {
  const { K, d, n, fit } = outline;
  return canonical({
    format: "moorage.specification/1", space: framed(space), space_id: spaceId,
    generator: { name: "moorage-browser", version: VERSION, seed, points },
    n, fit: new Float(fit),
    points: { dtype: "float32", shape: [K, d], data: base64(Float32Array.from(outline.points)) },
    weights: { dtype: "float64", shape: [K], data: base64(outline.weights) },
    semantic,
  });
}

// The space as it came, its measures written as floats even where they are whole.
function framed(space) {
  const measures = (column) => (column.type === "numeric" ? { ...column, location: new Float(column.location), scale: new Float(column.scale) } : column);
  return { ...space, columns: space.columns.map(measures), kernel: { ...space.kernel, sigma: new Float(space.kernel.sigma) } };
}

export function canonical(value) {
  if (value instanceof Float) return value.text;
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

function base64(array) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text); // little-endian wherever browsers run
}
