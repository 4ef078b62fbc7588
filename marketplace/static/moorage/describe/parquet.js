// Parquet to columns, one column at a time, by hyparquet (vendored); loaded only when such a file is dropped.
import { decompress } from "../../vendor/fzstd/index.mjs";
import { parquetMetadataAsync, parquetSchema } from "../../vendor/hyparquet/src/metadata.js";
import { parquetRead } from "../../vendor/hyparquet/src/read.js";
import { Column } from "./columns.js";
import { Refused } from "./refused.js";

const MOST_CELLS = 120e6;
const compressors = { ZSTD: (input, size) => decompress(input, new Uint8Array(size)) };

export async function read(file, tell = () => {}) {
  const source = { byteLength: file.size, slice: (start, end) => file.slice(start, end).arrayBuffer() };
  let metadata;
  try {
    metadata = await parquetMetadataAsync(source);
  } catch (error) {
    throw new Refused("not-parquet", `${file.name} can not be read as Parquet: ${error.message.slice(0, 120)}`, "Write it again, or save it as CSV.");
  }
  const fields = parquetSchema(metadata).children, n = Number(metadata.num_rows);
  if (n < 2) throw new Refused("too-few-rows", `${file.name} must have at least 2 rows; it has ${n}.`, "Bring more rows: some hundred make a useful outline.");
  if (n * fields.length > MOST_CELLS) throw new Refused("too-large", `${file.name} has ${Math.round(n * fields.length / 1e6)} million cells, more than a browser should hold.`, "Describe it with `moorage describe`, which reads a large file in parts.");
  const columns = [];
  for (const { element, children } of fields) {
    if (children.length) throw new Refused("unknown-type", `The column “${element.name}” holds lists or records; columns must hold numbers or words.`, "Spread them over columns of their own first.");
    const chunks = [];
    try {
      await parquetRead({ file: source, metadata, columns: [element.name], compressors, onChunk: (chunk) => chunks.push(chunk) });
    } catch (error) {
      throw new Refused("not-parquet", `The column “${element.name}” of ${file.name} can not be read: ${error.message.slice(0, 120)}`, "Write it with snappy, zstd or no compression, or save it as CSV.");
    }
    columns.push(filled(element.name, chunks, n));
    tell(columns.length / fields.length);
  }
  return { n, columns };
}

function filled(name, chunks, n) {
  const present = chunks.flatMap(({ columnData }) => { const first = Array.prototype.find.call(columnData, (value) => value !== null && value !== undefined); return first === undefined ? [] : [first]; });
  const isWords = present.some((value) => typeof value === "string" || typeof value === "boolean");
  const column = new Column(name, n, isWords);
  for (const { columnData, rowStart } of chunks) {
    for (let i = 0; i < columnData.length; i++) column.values[rowStart + i] = isWords ? word(column, columnData[i], rowStart + i) : amount(name, columnData[i]);
  }
  return column.end(n);
}

function word(column, value, row) {
  if (value === null || value === undefined) return -1;
  if (typeof value === "boolean") return column.code(value ? "True" : "False", row + 1);
  return column.code(String(value), row + 1);
}

function amount(name, value) {
  if (value === null || value === undefined) return NaN;
  if (typeof value === "number" || typeof value === "bigint") return Number(value);
  throw new Refused("unknown-type", `The column “${name}” must hold numbers or words; it holds ${value instanceof Date ? "dates" : "something else"}.`, "Turn dates into numbers first, for example year, month and hour.");
}
