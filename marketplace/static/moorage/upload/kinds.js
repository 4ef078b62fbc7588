// What a file is, by what stands in it; its name is a hint and no more. The rules are those of reuse/formats, which look again when it has arrived.

import { gettext, gettext_noop, interpolate } from "../words.js";

const HEAD = 512;
const MAX_JSON = 32 * 2 ** 20;
const MAX_HEADER = 2 ** 20;
const MAX_DIRECTORY = 16 * 2 ** 20;
const MANIFEST = "moorage.learnware/1";
const SPECIFICATION = "moorage.specification/1";
const ONNX_SECOND = [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42];
const REFUSED = [
  [gettext_noop("a pickle"), ["80 02", "80 03", "80 04", "80 05"], "skops"],
  [gettext_noop("an HDF5 file, as Keras writes,"), ["89 48 44 46"], "onnx"],
  [gettext_noop("a compressed file, as joblib may write,"), ["1f 8b", "78 9c", "78 01", "78 da", "42 5a 68", "fd 37 7a 58 5a", "28 b5 2f fd", "04 22 4d 18"], "skops"],
  [gettext_noop("an archive"), ["37 7a bc af", "52 61 72 21", "21 3c 61 72 63 68 3e", "4d 53 43 46"], "safetensors"],
  [gettext_noop("a NumPy array"), ["93 4e 55 4d 50 59"], "safetensors"],
  [gettext_noop("a program"), ["23 21", "7f 45 4c 46", "4d 5a"], "skops"],
  [gettext_noop("a FAISS index,"), ["49 78 46", "49 48 4e", "49 77 46", "49 77 50", "49 78 4d", "49 78 50"], "safetensors"],
  [gettext_noop("a GGUF or GGML file,"), ["47 47 55 46", "67 67 6d 6c", "67 67 6a 74"], "safetensors"],
  [gettext_noop("an XGBoost file of the old binary format,"), ["62 69 6e 66", "62 73 36 34"], "json"],
];

const XGBOOST = /^\s*\{\s*"(learner|version)"\s*:\s*[[{]/; // its JSON; its binary twin begins with {L and the length of the same word
const XGBOOST_BINARY = /^\{L\0{7}\x07(learner|version)/;
const LIGHTGBM = /^tree\r?\n/;
const OLD_PICKLE = /^(c[\w.]+\n[\w.]+\n|\((dp|lp|i)[\w.]*\n|\(c[\w.]+\n|ccopy_reg\n)/;

const text = (bytes) => new TextDecoder().decode(bytes);
const bytesOf = async (file, from, to) => new Uint8Array(await file.slice(from, to).arrayBuffer());
const begins = (head, start) => start.split(" ").every((byte, i) => head[i] === parseInt(byte, 16));
const convert = (file, format) => interpolate(gettext("Convert it where you made it: `moorage convert %(name)s -o model.%(format)s`"), { name: file.name, format });
const refused = (file, what, format) => ({ problem: { message: interpolate(gettext("%(name)s is %(what)s which can carry or hide code, so it is refused."), { name: file.name, what: gettext(what) }), fix: convert(file, format) } });
const broken = (file, why) => ({ problem: { message: `${file.name} ${why}`, fix: gettext("The file may be truncated: make or copy it again.") } });

// {kind: manifest|specification|model|statistics, format, document} or {problem: {message, fix}}
export async function recognise(file) {
  if (!file.size) return broken(file, gettext("is empty."));
  const head = await bytesOf(file, 0, HEAD);
  const first = text(head).replace(/^\ufeff/, "").trimStart()[0];
  if (XGBOOST.test(text(head)) || XGBOOST_BINARY.test(text(head))) return { kind: "model", format: "xgboost" };
  if (LIGHTGBM.test(text(head))) return { kind: "model", format: "lightgbm" };
  if (first === "{" && head[8] !== 0x7b) return json(file);
  if (head.length > 10 && head[8] === 0x7b && new DataView(head.buffer).getUint32(4, true) === 0) return safetensors(file, head);
  if (begins(head, "50 4b")) return zip(file);
  if (head[0] === 0x08 && head[1] >= 1 && head[1] <= 0x10 && ONNX_SECOND.includes(head[2])) return { kind: "model", format: "onnx" };
  for (const [what, starts, format] of REFUSED) {
    if (starts.some((start) => begins(head, start))) return refused(file, what, format);
  }
  if (OLD_PICKLE.test(text(head))) return refused(file, gettext_noop("a pickle"), "skops");
  if (text(head.slice(257, 262)) === "ustar") return refused(file, gettext_noop("a tar archive"), "safetensors");
  if (first === "{") return json(file);
  return { problem: { message: interpolate(gettext("%(name)s is no safetensors, skops, ONNX, XGBoost or LightGBM file, and no learnware.json or specification.json: its structure is none of theirs."), { name: file.name }), fix: convert(file, "safetensors") } };
}

async function json(file) {
  if (file.size > MAX_JSON) return { problem: { message: interpolate(gettext("%(name)s has %(file)s MB of JSON; at most 32 are read."), { name: file.name, file: Math.ceil(file.size / 2 ** 20) }), fix: gettext("Describe with fewer points.") } };
  let document;
  try {
    document = JSON.parse((await file.text()).replace(/^\ufeff/, ""));
  } catch (error) {
    return { problem: { message: interpolate(gettext("%(name)s is no valid JSON: %(message)s."), { name: file.name, message: error.message }), fix: gettext("Mend it, or let the client write it.") } };
  }
  const format = document?.format;
  if (format === SPECIFICATION) return { kind: "specification", document };
  if (format === MANIFEST || (document && typeof document === "object" && /learnware/i.test(file.name))) return { kind: "manifest", document };
  return { problem: { message: interpolate(gettext("%(name)s is JSON, and neither a learnware.json nor a specification: its \"format\" is %(format)s."), { name: file.name, format: JSON.stringify(format ?? null) }), fix: gettext("Make a specification with `moorage describe data.csv`") } };
}

async function safetensors(file, head) {
  const length = new DataView(head.buffer).getUint32(0, true);
  if (length < 2 || length > MAX_HEADER || 8 + length > file.size) return broken(file, interpolate(gettext("claims a header of %(n)s bytes and has %(file)s."), { n: length.toLocaleString("en"), file: file.size.toLocaleString("en") }));
  let header;
  try {
    header = JSON.parse(text(await bytesOf(file, 8, 8 + length)));
  } catch {
    return broken(file, gettext("has a safetensors header that is no JSON."));
  }
  const tensors = Object.entries(header).filter(([name]) => name !== "__metadata__");
  const end = Math.max(0, ...tensors.map(([, tensor]) => tensor?.data_offsets?.[1] ?? NaN));
  if (!tensors.length || Number.isNaN(end)) return broken(file, gettext("has a safetensors header without tensors."));
  if (8 + length + end !== file.size) return broken(file, interpolate(gettext("needs %(end)s bytes by its header, and has %(file)s."), { end: (8 + length + end).toLocaleString("en"), file: file.size.toLocaleString("en") }));
  if (tensors.every(([name]) => /^(gram|fisher)\//.test(name))) return { kind: "statistics", format: "safetensors" };
  return { kind: "model", format: "safetensors" };
}

async function zip(file) {
  const names = await members(file);
  if (!names) return broken(file, gettext("begins as a zip and does not end as one."));
  const has = (ending) => names.some((name) => name === ending || name.endsWith(`/${ending}`));
  if (names.includes("schema.json")) return { kind: "model", format: "skops" };
  if (names.includes("predictor.json")) return { kind: "model", format: "predictor" };
  if (has("data.pkl")) return refused(file, gettext_noop("a torch.save or TorchScript file,"), "safetensors");
  if (has("model.weights.h5")) return refused(file, gettext_noop("a Keras archive,"), "onnx");
  return refused(file, gettext_noop("a zip that is no skops file,"), "safetensors");
}

// The names in a zip, from its directory at the end; null where there is none.
async function members(file) {
  const tail = await bytesOf(file, Math.max(0, file.size - 65_557), file.size);
  const view = new DataView(tail.buffer);
  let end = tail.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < 0) return null;
  const size = view.getUint32(end + 12, true), start = view.getUint32(end + 16, true);
  if (start + size > file.size || size > MAX_DIRECTORY) return null;
  const directory = await bytesOf(file, start, start + size), names = [];
  const look = new DataView(directory.buffer);
  for (let at = 0; at + 46 <= size && look.getUint32(at, true) === 0x02014b50;) {
    const name = look.getUint16(at + 28, true);
    names.push(text(directory.subarray(at + 46, at + 46 + name)));
    at += 46 + name + look.getUint16(at + 30, true) + look.getUint16(at + 32, true);
  }
  return names;
}
