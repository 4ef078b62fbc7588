// Parquet to columns, one column at a time, by hyparquet (vendored); loaded only when such a file is dropped.
import { decompress } from "../../vendor/fzstd/index.mjs";
import { parquetMetadataAsync, parquetSchema } from "../../vendor/hyparquet/src/metadata.js";
import { parquetRead } from "../../vendor/hyparquet/src/read.js";
import { Column } from "./columns.js";
import { gettext_noop, Refused } from "./refused.js";

const MOST_CELLS = 120e6;
const compressors = { ZSTD: (input, size) => decompress(input, new Uint8Array(size)) };

export async function read(file, tell = () => {}) {
  const source = { byteLength: file.size, slice: (start, end) => file.slice(start, end).arrayBuffer() };
  let metadata;
  try {
    metadata = await parquetMetadataAsync(source);
  } catch (error) {
    throw new Refused("not-parquet", gettext_noop("%(name)s can not be read as Parquet: %(message)s"), gettext_noop("Write it again, or save it as CSV."), { name: file.name, message: error.message.slice(0, 120) });
  }
  const fields = parquetSchema(metadata).children, n = Number(metadata.num_rows);
  if (n < 2) throw new Refused("too-few-rows", gettext_noop("%(name)s must have at least 2 rows; it has %(n)s."), gettext_noop("Bring more rows: some hundred make a useful outline."), { name: file.name, n });
  if (n * fields.length > MOST_CELLS) throw new Refused("too-large", gettext_noop("%(name)s has %(millions)s million cells, more than a browser should hold."), gettext_noop("Describe it with `moorage describe`, which reads a large file in parts."), { name: file.name, millions: Math.round(n * fields.length / 1e6) });
  const columns = [];
  for (const { element, children } of fields) {
    if (children.length) throw new Refused("unknown-type", gettext_noop("The column “%(name)s” holds lists or records; columns must hold numbers or words."), gettext_noop("Spread them over columns of their own first."), { name: element.name });
    const chunks = [];
    try {
      await parquetRead({ file: source, metadata, columns: [element.name], compressors, onChunk: (chunk) => chunks.push(chunk) });
    } catch (error) {
      throw new Refused("not-parquet", gettext_noop("The column “%(name)s” of %(name2)s can not be read: %(message)s"), gettext_noop("Write it with snappy, zstd or no compression, or save it as CSV."), { name: element.name, name2: file.name, message: error.message.slice(0, 120) });
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
  throw new Refused("unknown-type", value instanceof Date ? gettext_noop("The column “%(name)s” must hold numbers or words; it holds dates.") : gettext_noop("The column “%(name)s” must hold numbers or words; it holds something else."), gettext_noop("Turn dates into numbers first, for example year, month and hour."), { name });
}
