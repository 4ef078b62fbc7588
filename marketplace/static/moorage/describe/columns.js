// Columns of a table as they were read, and the coordinates they become in a space. Does what specs/columns.py and
// specs/space.py do; tests/conformance holds the two together.
import { gettext_noop, Refused } from "./refused.js";

export const MOST_WORDS = 20_000; // different words of a column; a space has at most 1,000 levels
const MISSING = new Set(["", "na", "nan", "n/a", "null", "none", "?"]); // specs.columns.MISSING_TEXT
const MISSING_TOO = new Set(["#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"]); // and what pandas adds
const NUMBER = /^[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[+-]?\d+(_\d+)*)?$/i; // what Python's float() takes
const INFINITE = /^[+-]?inf(inity)?$/i;
const TRUE = new Set(["True", "TRUE", "true"]), FALSE = new Set(["False", "FALSE", "false"]);

export const isMissing = (text) => MISSING.has(text.trim().toLowerCase()) || MISSING_TOO.has(text);

// The number that a text is, or undefined.
export function number(text) {
  const trimmed = text.trim();
  if (NUMBER.test(trimmed)) return Number(trimmed.replaceAll("_", ""));
  if (INFINITE.test(trimmed)) return trimmed[0] === "-" ? -Infinity : Infinity;
  return undefined;
}

// A number as Python writes it: "1e-05", where JavaScript says "0.00001".
export function wording(x) {
  if (Number.isInteger(x)) return Math.abs(x) < 1e16 ? String(x === 0 ? 0 : x) : BigInt(x).toString();
  const size = Math.abs(x);
  if (size >= 1e-4 && size < 1e16) return String(x);
  const [digits, power] = x.toExponential().split("e");
  return `${digits}e${power[0]}${power.slice(1).padStart(2, "0")}`;
}

// One column while it is read: numbers (NaN where missing) until a word comes, then codes of words (-1 where missing, -2 for one word too many).
export class Column {
  constructor(name, capacity, asWords = false) {
    Object.assign(this, { name, isWords: asWords, isLate: false, isFull: false, hasNumbers: false });
    this.values = asWords ? new Int32Array(capacity) : new Float64Array(capacity);
    this.texts = [];
    this.lines = []; // of the file, where each word stood first
    this.codes = new Map();
  }

  room(n) {
    if (n <= this.values.length) return;
    const larger = new this.values.constructor(Math.max(n, Math.ceil(this.values.length * 1.6)));
    larger.set(this.values);
    this.values = larger;
  }

  // Turns a column that held nothing so far to words. One that held numbers has to be read again: their texts are gone.
  turn() {
    if (this.hasNumbers) this.isLate = true;
    else [this.isWords, this.values] = [true, new Int32Array(this.values.length).fill(-1)];
  }

  code(text, line) {
    const known = this.codes.get(text);
    if (known !== undefined) return known;
    if (isMissing(text)) { this.codes.set(text, -1); return -1; }
    if (this.texts.length >= MOST_WORDS) { this.isFull = true; return -2; }
    this.codes.set(text, this.texts.length);
    this.lines.push(line);
    return this.texts.push(text) - 1;
  }

  end(n) {
    this.values = this.values.subarray(0, n);
    // pandas reads a column of nothing but these as booleans, and names them in its own way.
    if (this.texts.length && !this.isFull && this.texts.every((text) => TRUE.has(text) || FALSE.has(text))) {
      this.texts = this.texts.map((text) => (TRUE.has(text) ? "True" : "False"));
    }
    return this;
  }

  get type() { return this.isWords ? "categorical" : "numeric"; }
}

// What the page shows of a column: shares, a small histogram, and the first cell that is no number where most are.
export function summary(column, n) {
  const seen = { name: column.name, type: column.type, missing: 0, distinct: 0, isFull: column.isFull };
  return column.isWords ? wordsOf(column, n, seen) : numbersOf(column, n, seen);
}

function numbersOf({ values }, n, seen) {
  let [absent, low, high, total] = [0, Infinity, -Infinity, 0];
  const different = new Set();
  for (let i = 0; i < n; i++) {
    const x = values[i];
    if (x !== x) { absent += 1; continue; }
    if (x < low) low = x;
    if (x > high) high = x;
    total += x;
    if (different.size <= 20) different.add(x);
  }
  Object.assign(seen, { missing: absent / n, distinct: different.size });
  if (absent === n) return Object.assign(seen, { isEmpty: true });
  const bins = new Array(24).fill(0), span = high - low;
  if (Number.isFinite(span)) for (let i = 0; i < n; i++) if (values[i] === values[i]) bins[span ? Math.min(23, Math.floor((values[i] - low) / span * 24)) : 12] += 1;
  return Object.assign(seen, { low, high, mean: total / (n - absent), bins });
}

function wordsOf(column, n, seen) {
  const counts = new Float64Array(column.texts.length);
  let absent = 0, more = 0, numeric = 0;
  for (let i = 0; i < n; i++) {
    const code = column.values[i];
    if (code === -1) absent += 1;
    else if (code === -2) more += 1;
    else counts[code] += 1;
  }
  let odd;
  column.texts.forEach((text, code) => {
    if (number(text) !== undefined) numeric += counts[code];
    else if (!odd || column.lines[code] < odd.line) odd = { text: text.slice(0, 40), line: column.lines[code] };
  });
  const shares = new Map();
  column.texts.forEach((text, code) => shares.set(text, (shares.get(text) ?? 0) + counts[code]));
  const levels = [...shares].sort((one, other) => other[1] - one[1]).slice(0, 24).map(([text, count]) => ({ text: text.slice(0, 60), share: count / n }));
  Object.assign(seen, { missing: absent / n, distinct: shares.size, isEmpty: absent === n, levels });
  if (numeric > 0.5 * (n - absent)) seen.odd = { ...odd, count: n - absent - more - numeric };
  return seen;
}

const WIDTH = { numeric: (column) => 1 + Boolean(column.missing), categorical: (column) => column.levels.length };

// Rows of a table in a space: { n, d, fill(out, numbers) } puts the rows of these numbers into `out`, row by row. `mapping` names the table's column for each of the space's.
export function encoded(space, table, mapping = {}) {
  const held = new Map(table.columns.map((column) => [column.name, column]));
  const missing = space.columns.map((column) => mapping[column.name] ?? column.name).filter((name) => !held.has(name));
  if (missing.length) throw new Refused("missing-columns", gettext_noop("The space “%(name)s” needs %(columns)s, which the table does not have."), gettext_noop("Name the columns that stand for them."), { name: space.name, columns: missing.slice(0, 8).join(", ") });
  let d = 0;
  const parts = space.columns.map((column) => {
    const part = { column, own: held.get(mapping[column.name] ?? column.name), at: d };
    d += WIDTH[column.type](column);
    if (isEmpty(part.own)) throw new Refused("all-missing", gettext_noop("The column “%(name)s” must hold at least one value; all %(n)s are missing."), gettext_noop("Fill it where you can, or choose another column: what is never known can not be compared."), { name: part.own.name, n: table.n.toLocaleString("en") });
    part.put = column.type === "numeric" ? measured(part) : marked(part);
    return part;
  });
  const fill = (out, numbers) => {
    out.fill(0, 0, numbers.length * d);
    for (const part of parts) part.put(out, numbers, d);
    return out;
  };
  return { n: table.n, d, fill, names: parts.flatMap(({ column }) => new Array(WIDTH[column.type](column)).fill(column.name)) };
}

const isEmpty = ({ isWords, values }) => values.every((value) => (isWords ? value === -1 : value !== value));

function measured({ column, own, at }) {
  if (own.isWords) {
    const code = own.texts.findIndex((text) => number(text) === undefined);
    throw new Refused("wrong-type", gettext_noop("The column “%(name)s” must hold numbers; line %(line)s holds “%(text)s”."), gettext_noop("Clean the column, or choose another one for it."), { name: own.name, line: own.lines[code].toLocaleString("en"), text: own.texts[code].slice(0, 40) });
  }
  const { location, scale, missing } = column, { values } = own;
  return (out, numbers, d) => {
    for (let i = 0, to = at; i < numbers.length; i++, to += d) {
      const x = values[numbers[i]];
      if (x !== x) { if (missing) out[to + 1] = 1; continue; }
      const z = (x - location) / scale;
      if (!(Math.abs(z) < 1e15)) throw new Refused("too-large", gettext_noop("The column “%(name)s” must lie within what its space can measure; row %(row)s holds %(x)s."), gettext_noop("Check its unit, or leave the cell empty."), { name: own.name, row: numbers[i] + 1, x });
      out[to] = z;
    }
  };
}

function marked({ column, own, at }) {
  if (own.isFull) throw new Refused("too-many-words", gettext_noop("The column “%(name)s” holds more than %(most)s different words; a space has at most 1,000."), gettext_noop("It looks like a name or an id: choose another column."), { name: own.name, most: MOST_WORDS.toLocaleString("en") });
  const level = new Map(column.levels.map((text, i) => [text, i])), half = Math.SQRT1_2, { values } = own;
  const known = own.isWords ? Int32Array.from(own.texts, (text) => level.get(text) ?? -1) : new Map();
  const of = own.isWords ? (code) => (code < 0 ? -1 : known[code]) : (x) => {
    if (x !== x) return -1;
    if (!known.has(x)) known.set(x, level.get(wording(x)) ?? -1);
    return known.get(x);
  };
  return (out, numbers, d) => {
    for (let i = 0, to = at; i < numbers.length; i++, to += d) {
      const k = of(values[numbers[i]]);
      if (k >= 0) out[to + k] = half;
    }
  };
}

// Rows of a matrix that is there already.
export const matrix = (X, n, d) => ({ n, d, names: [], fill: (out, numbers) => { numbers.forEach((row, i) => out.set(X.subarray(row * d, row * d + d), i * d)); return out; } });
