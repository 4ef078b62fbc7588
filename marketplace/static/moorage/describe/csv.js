// A strict reader of CSV: bytes to columns in one pass, in parts, so that a large file never stands in memory as text.
import { Column, number } from "./columns.js";
import { gettext_noop, Refused } from "./refused.js";

const PART = 4 * 2 ** 20;
const FIRST = 2 ** 18;
const MOST_CELLS = 120e6; // of 8 bytes: about 1 GB
const LONGEST = 32 * 2 ** 20; // bytes of a row: a quote that never ends must not eat the file
const [QUOTE, COMMA, LF, CR, SPACE, TAB] = [34, 44, 10, 13, 32, 9];
const POWERS = Array.from({ length: 23 }, (_, i) => 10 ** i);
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export async function read(file, tell = () => {}) {
  if (!file.size) throw new Refused("empty-file", gettext_noop("%(name)s is empty; a table has a header and at least 2 rows."), gettext_noop("Save it again as CSV."), { name: file.name });
  const words = new Set();
  for (;;) {
    const table = await once(file, words, tell);
    const late = table.columns.filter((column) => column.isLate);
    if (!late.length) return table;
    // Numbers first, a word later: once more, with the texts of those columns kept.
    late.forEach((column) => words.add(column.name));
  }
}

async function once(file, words, tell) {
  const table = new Table(file, words);
  let rest = new Uint8Array(0);
  for (let start = 0; start < file.size;) {
    const end = Math.min(file.size, start + (start ? PART : FIRST));
    const part = new Uint8Array(await file.slice(start, end).arrayBuffer());
    const bytes = new Uint8Array(rest.length + part.length);
    bytes.set(rest);
    bytes.set(part, rest.length);
    rest = bytes.subarray(table.take(bytes, end === file.size));
    if (rest.length > LONGEST) throw new Refused("not-csv", gettext_noop("The row that begins in line %(line)s does not end: a quoted cell is not closed."), gettext_noop("Close the quote, or save the file again as CSV."), { line: table.line.toLocaleString("en") });
    if (start === 0 && table.columns?.some((column) => column.isLate)) break;
    start = end;
    tell(start / file.size);
  }
  return table.end();
}

class Table {
  constructor(file, words) {
    Object.assign(this, { file, words, columns: null, n: 0, line: 1, base: 0, read: 0 });
  }

  // Takes whole rows; returns where the row begins that is not whole yet.
  take(b, isLast) {
    let at = this.n === 0 && !this.columns && b[0] === 0xef && b[1] === 0xbb && b[2] === 0xbf ? 3 : 0;
    while (at < b.length) {
      this.read = this.base + at;
      const next = this.row(b, at, isLast);
      if (next < 0) break;
      at = next;
    }
    this.base += at;
    return at;
  }

  // One row from `at`; returns where the next begins, or -1 if the bytes end before it does.
  row(b, at, isLast) {
    const header = this.columns ? null : [];
    const { columns } = this, n = this.n, width = columns ? columns.length : Infinity;
    let field = 0, lines = 0, i = at;
    const size = b.length;
    for (;;) {
      while (i < size && b[i] === SPACE) i++;
      if (i >= size && !isLast) return -1;
      let from = i, to, cell = b;
      if (i < size && b[i] === QUOTE) {
        i++;
        from = i;
        let doubled = 0;
        const began = this.line + lines;
        for (;;) {
          if (i >= size) {
            if (!isLast) return -1;
            throw new Refused("not-csv", gettext_noop("The quoted cell that begins in line %(began)s is not closed."), gettext_noop("Close the quote, or save the file again as CSV."), { began: began.toLocaleString("en") });
          }
          if (b[i] === QUOTE) {
            if (i + 1 >= size && !isLast) return -1;
            if (b[i + 1] !== QUOTE) break;
            doubled += 1;
            i++;
          } else if (b[i] === LF) lines += 1;
          i++;
        }
        to = i++;
        if (doubled) {
          cell = new Uint8Array(to - from - doubled);
          for (let j = from, k = 0; j < to; j++) { cell[k++] = b[j]; if (b[j] === QUOTE) j++; }
          [from, to] = [0, cell.length];
        }
        while (i < size && (b[i] === SPACE || b[i] === TAB)) i++;
        if (i < size && b[i] !== COMMA && b[i] !== LF && b[i] !== CR) throw new Refused("not-csv", gettext_noop("Line %(lines)s has text after a closing quote."), gettext_noop("Write a quote inside a cell twice."), { lines: (this.line + lines).toLocaleString("en") });
      } else {
        while (i < size && b[i] !== COMMA && b[i] !== LF && b[i] !== CR) i++;
        to = i;
      }
      if (i >= size && !isLast) return -1;
      if (b[i] === CR && i + 1 >= size && !isLast) return -1;
      const ends = i >= size || b[i] !== COMMA;
      // An empty line is no row.
      if (ends && field === 0 && from === to && b[i - 1] !== QUOTE) return this.on(b, i, lines);
      if (header) header.push(this.decode(cell, from, to));
      else if (field < width) this.put(columns[field], n, cell, from, to);
      field += 1;
      if (ends) break;
      i++;
    }
    if (header) this.open(header);
    else if (field !== width) {
      throw new Refused("ragged-rows", field === 1 ? gettext_noop("Line %(line)s has 1 cell; the header has %(width)s.") : gettext_noop("Line %(line)s has %(field)s cells; the header has %(width)s."), gettext_noop("Put cells that hold commas in quotes, and give every row all its cells."), { line: this.line.toLocaleString("en"), field, width });
    } else this.n += 1;
    return this.on(b, i, lines);
  }

  on(b, i, lines) {
    this.line += lines + 1;
    return b[i] === CR && b[i + 1] === LF ? i + 2 : i + 1;
  }

  open(header) {
    const names = header.map((name, i) => name.trim() || `Unnamed: ${i}`);
    if (names.length === 1 && /[;\t]/.test(names[0])) {
      throw new Refused("not-csv", names[0].includes(";") ? gettext_noop("%(name)s has one column, “%(column)s”: it seems to be separated by semicolons.") : gettext_noop("%(name)s has one column, “%(column)s”: it seems to be separated by tabs."), gettext_noop("Save it with commas."), { name: this.file.name, column: names[0].slice(0, 40) });
    }
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice) throw new Refused("repeated-columns", gettext_noop("Each column must have a name of its own; “%(twice)s” stands twice in the header."), gettext_noop("Rename one of them."), { twice });
    this.columns = names.map((name) => new Column(name, 4096, this.words.has(name)));
  }

  put(column, n, b, from, to) {
    if (n >= column.values.length) this.grow();
    if (column.isWords) { column.values[n] = this.word(column, b, from, to); return; }
    if (column.isLate) return;
    const x = quick(b, from, to);
    if (x === x) { column.values[n] = x; column.hasNumbers = true; return; }
    if (from === to) { column.values[n] = NaN; return; }
    const said = this.decode(b, from, to), slow = number(said);
    if (slow !== undefined) { column.values[n] = slow; column.hasNumbers = true; return; }
    if (column.code(said, this.line) === -1) { column.values[n] = NaN; return; }
    column.turn();
    if (column.isWords) column.values[n] = column.code(said, this.line);
  }

  // The code of a word, found by its bytes: most cells repeat a word that was seen before.
  word(column, b, from, to) {
    let hash = 0x811c9dc5;
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ b[i], 0x01000193);
    column.hashes ??= new Map();
    const known = column.hashes.get(hash);
    if (known && same(known.bytes, b, from, to)) return known.code;
    const code = column.code(this.decode(b, from, to), this.line);
    if (!known && code !== -2) column.hashes.set(hash, { bytes: b.slice(from, to), code });
    return code;
  }

  // Room for as many rows as the file seems to have, by those that were read.
  grow() {
    const expected = Math.ceil(1.03 * this.file.size / Math.max(1, this.read / this.n)), width = this.columns.length;
    if (Math.max(this.n, 0.75 * expected) * width > MOST_CELLS) {
      throw new Refused("too-large", gettext_noop("%(name)s has about %(millions)s million cells; this page reads %(most)s million."), gettext_noop("Describe it with `moorage describe`, which reads a large file in parts, or drop a part of its rows."), { name: this.file.name, millions: Math.round(expected * width / 1e6), most: MOST_CELLS / 1e6 });
    }
    this.columns.forEach((column) => column.room(Math.max(this.n + 1024, expected)));
  }

  decode(b, from, to) {
    try {
      return text.decode(b.subarray(from, to));
    } catch {
      throw new Refused("not-csv", gettext_noop("%(name)s is not text in UTF-8: line %(line)s is not."), gettext_noop("Save it as CSV (UTF-8)."), { name: this.file.name, line: this.line.toLocaleString("en") });
    }
  }

  end() {
    if (!this.columns) throw new Refused("empty-file", gettext_noop("%(name)s holds no header and no rows."), gettext_noop("Save it again as CSV."), { name: this.file.name });
    if (this.n < 2) throw new Refused("too-few-rows", gettext_noop("%(name)s must have at least 2 rows under its header; it has %(n)s."), gettext_noop("Bring more rows: some hundred make a useful outline."), { name: this.file.name, n: this.n });
    this.columns.forEach((column) => column.end(this.n));
    return { n: this.n, columns: this.columns };
  }
}

function same(known, b, from, to) {
  if (known.length !== to - from) return false;
  for (let i = 0; i < known.length; i++) if (known[i] !== b[from + i]) return false;
  return true;
}

// A plain decimal number, exactly (up to 2^53 in its digits and 10^22 in its power, both exact); NaN for whatever else, which the slow way reads.
function quick(b, from, to) {
  while (to > from && (b[to - 1] === SPACE || b[to - 1] === TAB)) to--;
  let i = from, isNegative = false;
  if (b[i] === 45) { isNegative = true; i++; } else if (b[i] === 43) i++;
  let digits = 0, value = 0, power = 0;
  for (; i < to; i++) {
    const c = b[i] - 48;
    if (c < 0 || c > 9) break;
    value = value * 10 + c;
    digits++;
  }
  if (i < to && b[i] === 46) {
    for (i++; i < to; i++) {
      const c = b[i] - 48;
      if (c < 0 || c > 9) break;
      value = value * 10 + c;
      digits++;
      power--;
    }
  }
  if (i < to && (b[i] | 32) === 101) {
    i++;
    const down = b[i] === 45;
    if (down || b[i] === 43) i++;
    let shift = 0;
    const begin = i;
    for (; i < to; i++) {
      const c = b[i] - 48;
      if (c < 0 || c > 9) break;
      shift = shift * 10 + c;
    }
    if (i === begin) return NaN;
    power += down ? -shift : shift;
  }
  if (i !== to || !digits || value > Number.MAX_SAFE_INTEGER || power < -22 || power > 22) return NaN;
  if (power < 0) value /= POWERS[-power];
  else if (power > 0) value *= POWERS[power];
  return isNegative ? -value : value;
}
