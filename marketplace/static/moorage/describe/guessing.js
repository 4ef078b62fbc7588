// Which column of a table may stand for which of a space, by name and type.

// Numbers can serve as the names of levels, words can not serve as numbers (specs.space.Space.compare).
export const agrees = (own, theirs) => theirs.type === "categorical" || own.type === "numeric";

const plain = (name) => name.normalize("NFKD").replace(/\(.*?\)|\[.*?\]/g, "").toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");

function likeness(own, theirs) {
  if (own === theirs) return 4;
  const [a, b] = [plain(own), plain(theirs)];
  if (!a || !b) return 0;
  if (a === b) return 3;
  if (Math.min(a.length, b.length) >= 3 && (a.includes(b) || b.includes(a))) return 2;
  return 1 - distance(a, b) / Math.max(a.length, b.length) >= 0.75 ? 1 : 0;
}

function distance(a, b) { // Levenshtein's
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row.at(-1);
}

// { space column: own column } for the likeliest pairs, each own column once.
export function guess(own, space) {
  const pairs = [];
  for (const theirs of space.columns) for (const column of own) if (agrees(column, theirs)) pairs.push([likeness(column.name, theirs.name), theirs.name, column.name]);
  const mapping = {}, used = new Set();
  pairs.filter(([score]) => score > 0).sort((one, other) => other[0] - one[0]).forEach(([, theirs, name]) => {
    if (theirs in mapping || used.has(name)) return;
    mapping[theirs] = name;
    used.add(name);
  });
  return mapping;
}
