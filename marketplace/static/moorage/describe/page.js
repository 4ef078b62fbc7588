// The page /match/: a dropped table becomes an outline in a worker; only the outline is sent, when its owner says so.
import { bars, cloud, element, meter } from "./drawing.js";
import { agrees, guess } from "./guessing.js";
import { Ledger, Market } from "./market.js";
import { gettext, interpolate, ngettext } from "../words.js";

const place = document.getElementById("describe"), form = document.getElementById("find");
const $ = (name) => place.querySelector(`[data-part="${name}"]`);
const STAGES = { read: gettext("Reading your file"), points: gettext("Placing the points"), weights: gettext("Weighing every row"), gauge: gettext("Measuring how near they are"), look: gettext("Looking at what they give away") };
const SHARES = { read: [0, 0.3], points: [0.3, 0.65], weights: [0.65, 0.82], gauge: [0.82, 0.95], look: [0.95, 1] };
const LANGUAGE = document.documentElement.lang || "en";
const OTHERS = 12; // spaces that are looked at when no names agree
const ENOUGH_ROWS = 100, FEWEST_ROWS = 5;

let now = null; // what is known of the file that lies here
const fresh = (file) => ({ file, began: performance.now(), table: null, spaces: [], space: null, mapping: {}, outline: null, worker: null, ledger: new Ledger(() => ledger()) });

const count = (n) => Number(n).toLocaleString(LANGUAGE);
const figure = (x) => (x === undefined ? "" : Math.abs(x) >= 1e6 || (x && Math.abs(x) < 1e-3) ? x.toExponential(1) : Number(x.toPrecision(4)).toLocaleString(LANGUAGE, { maximumSignificantDigits: 4 }));
const percent = (share) => (share > 0 && share < 0.01 ? "< 1 %" : `${Math.round(100 * share)} %`);
const kilo = (bytes) => (bytes < 1000 ? `${bytes} bytes` : bytes < 1e6 ? `${(bytes / 1000).toFixed(bytes < 1e4 ? 1 : 0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
const say = (text) => { document.getElementById("announce").textContent = text; };
const show = (...names) => { for (const name of ["pick", "run", "refused", "known", "outline"]) $(name).hidden = !names.includes(name); $("told").hidden = !names.includes("known"); };
const tick = (text) => text.split("`").map((piece, i) => (i % 2 ? element("code", {}, piece) : piece));

// -- reading --------------------------------------------------------------------------------

async function begin(file) {
  stop();
  now = fresh(file);
  const mine = now, isParquet = /\.parquet$/i.test(file.name);
  show("run");
  progress("read", 0);
  $("name").value = file.name.replace(/\.[^.]*$/, "").slice(0, 120);
  const script = isParquet ? place.dataset.parquet : place.dataset.worker;
  if (!(await isShut(script))) { if (mine === now) refused({ code: "open-worker", message: gettext("This market's reader of files is served without the policy that shuts it off from the network, so your file was not read."), hint: gettext("Tell whoever runs this market; or describe the file with `moorage describe`.") }); return; }
  if (mine !== now) return;
  mine.worker = new Worker(script, { type: "module" });
  mine.worker.onerror = (event) => { event.preventDefault(); if (mine === now) refused({ code: "no-worker", message: gettext("The reader of this page could not be started."), hint: gettext("Reload the page; or describe the file with `moorage describe`.") }); };
  mine.worker.onmessage = ({ data }) => { if (mine === now) hear[data.said](data); };
}

// Whether the worker's own policy forbids it every connection: looked at before a file is handed over.
async function isShut(script) {
  try {
    const answer = await fetch(script, { method: "HEAD", credentials: "omit" });
    return /default-src 'none'/.test(answer.headers.get("Content-Security-Policy") ?? "");
  } catch {
    return false;
  }
}

const hear = {
  ready() { now.reading = performance.now(); now.worker.postMessage({ do: "read", file: now.file }); },
  progress({ stage, share }) { progress(stage, share); },
  async table(table) {
    now.read = performance.now();
    now.requests = now.ledger.between(now.reading, now.read);
    now.table = table;
    show("run", "known");
    if (!$("points").dataset.chosen) $("points").value = usual(table.n);
    columns();
    await choose();
  },
  outline(outline) {
    now.outline = outline;
    now.seconds = (performance.now() - now.began) / 1000;
    drawn();
  },
  refused,
};

// As many points as leave each of them ten rows, 25 to 100.
const usual = (n) => [100, 50].find((points) => n >= 10 * points) ?? 25;

function progress(stage, share) {
  const [from, to] = SHARES[stage];
  $("progress").value = from + (to - from) * share;
  if ($("stage").textContent !== `${STAGES[stage]} …`) $("stage").textContent = `${STAGES[stage]} …`;
}

function refused({ code, words, ...said }) {
  // A worker has no catalog of words: it sends the sentence and what stands in it.
  const message = words ? interpolate(gettext(words.message), words.values) : said.message;
  const hint = words ? interpolate(gettext(words.hint), words.values) : said.hint;
  $("why").replaceChildren(...tick(message));
  $("next").replaceChildren(...tick(hint ?? ""));
  $("code").textContent = code;
  show("refused", now?.table ? "known" : "pick");
  if (!now?.table) stop();
  say(message);
}

function stop() {
  now?.worker?.terminate();
  now?.ledger.watch.disconnect();
  now = null;
}

function restart() {
  stop();
  $("file").value = "";
  $("file").dispatchEvent(new Event("change", { bubbles: true }));
  show("pick");
  $("file").focus();
}

// -- spaces ---------------------------------------------------------------------------------

const inputs = () => now.table.columns.filter(({ name }) => name !== $("target").value);

// The spaces that the columns fit; else the likeliest ones, with the columns to name.
async function choose() {
  const mine = now, market = (mine.market ??= new Market(place.dataset, mine.ledger));
  try {
    const found = await market.spacesFor(inputs().map(({ name, type }) => ({ name, type })));
    if (mine === now && !mine.isAsked) guessTarget(found);
    return await settle(mine, market, found);
  } catch (error) {
    if (mine === now) refused(error);
  }
}

// One column that the best space does not know is most likely what should be predicted. Spaces that hold it are then none of ours.
function guessTarget(found) {
  now.isAsked = true;
  const over = found.fits[0]?.extra ?? [];
  if (over.length !== 1) return;
  $("target").value = over[0];
  found.fits = found.fits.filter(({ extra }) => extra.includes(over[0]));
}

async function settle(mine, market, found) {
  let spaces = found.fits.map((entry) => ({ ...entry, fits: true }));
  if (!spaces.length) spaces = await likely(market, found.nearest);
  if (mine !== now) return;
  mine.spaces = spaces;
  $("space").replaceChildren(...spaces.map(({ id, name, learnwares, fits, named, needs }) => element("option", { value: id }, `${name} · ${interpolate(fits ? ngettext("%(learnwares)s model", "%(learnwares)s models", learnwares) : gettext("%(named)s of %(needs)s columns named"), { learnwares, named, needs })}`)));
  $("spaces").hidden = !spaces.length;
  await take();
}

// No names agree: every space that is near, and the most used ones, by how many of their columns can be guessed.
async function likely(market, nearest) {
  const every = await market.every(), ids = [...new Set([...nearest, ...every].map(({ id }) => id))].slice(0, OTHERS);
  const known = new Map([...every, ...nearest].map((entry) => [entry.id, entry]));
  const seen = await Promise.all(ids.map(async (id) => {
    const space = await market.space(id), named = Object.keys(guess(inputs(), space)).length;
    return { ...known.get(id), fits: false, named, needs: space.columns.length };
  }));
  return seen.sort((one, other) => other.named / other.needs - one.named / one.needs);
}

async function take() {
  const mine = now, entry = mine.spaces.find(({ id }) => id === $("space").value);
  $("mapping").hidden = $("none").hidden = true;
  if (!entry) {
    mine.space = null;
    $("none").hidden = false;
    show("known");
    return;
  }
  const space = await mine.market.space(entry.id), own = inputs().map(({ name }) => name);
  if (mine !== now) return;
  // What was named by hand stays named.
  const kept = mine.spaceId === entry.id ? Object.entries(mine.mapping).filter(([, name]) => own.includes(name)) : [];
  Object.assign(mine, { space, spaceId: entry.id });
  if (entry.fits) {
    mine.mapping = Object.fromEntries(mine.space.columns.map(({ name }) => [name, name]));
    return reduce();
  }
  mine.mapping = { ...guess(inputs(), space), ...Object.fromEntries(kept) };
  mapping();
}

// A select for each of the space's columns; only columns whose type agrees are offered.
function mapping() {
  const own = inputs(), { space } = now;
  $("mapping").hidden = false;
  $("pairs").replaceChildren(...space.columns.map((theirs, i) => {
    const select = element("select", { class: "form-select form-select-sm", id: `pair-${i}` }, element("option", { value: "" }, gettext("Choose a column")));
    own.filter((column) => agrees(column, theirs)).forEach(({ name }) => select.append(element("option", { value: name }, name)));
    select.value = now.mapping[theirs.name] ?? "";
    select.addEventListener("change", () => { now.mapping[theirs.name] = select.value; lacking(); });
    const label = element("label", { for: `pair-${i}`, class: "wrap-any" }, theirs.name, " ", element("span", { class: "small text-secondary" }, [theirs.type === "numeric" ? gettext("numbers") : gettext("words"), theirs.unit].filter(Boolean).join(", ")));
    return element("li", {}, label, select);
  }));
  columns();
  lacking();
  show("known");
  say(gettext("No space has these columns under these names. Name which of your columns stand for them."));
}

function lacking() {
  const { space, mapping: pairs } = now, own = inputs(), used = Object.values(pairs).filter(Boolean);
  const open = space.columns.filter(({ name }) => !pairs[name]), twice = used.find((name, i) => used.indexOf(name) !== i);
  const over = own.filter(({ name }) => !used.includes(name)).map(({ name }) => name);
  const wrong = open.map((theirs) => own.find(({ name, type }) => name === theirs.name && type === "categorical" && theirs.type === "numeric")).filter(Boolean);
  const lines = [
    open.length && interpolate(gettext("Not named yet: %(name)s."), { name: some(open.map(({ name }) => name)) }),
    ...wrong.map(({ name, odd }) => holdsWords(name, odd)),
    twice && interpolate(gettext("“%(twice)s” stands for two columns; choose each once."), { twice }),
    over.length && interpolate(gettext("Left out, since the space does not know them: %(over)s."), { over: some(over) }),
  ].filter(Boolean);
  $("lacking").replaceChildren(...lines.map((line) => element("li", {}, line)));
  $("go").disabled = Boolean(open.length || twice);
}

function holdsWords(name, odd) {
  if (!odd) return interpolate(gettext("“%(name)s” must hold numbers; yours holds words."), { name });
  const said = odd.count > 1
    ? gettext("“%(name)s” must hold numbers; line %(line)s holds “%(text)s”, and %(more)s more cells hold words. Clean it and drop the file again.")
    : gettext("“%(name)s” must hold numbers; line %(line)s holds “%(text)s”. Clean it and drop the file again.");
  return interpolate(said, { name, line: count(odd.line), text: odd.text, more: count(odd.count - 1) });
}

const some = (names) => (names.length > 8 ? interpolate(gettext("%(names)s and %(more)s more"), { names: names.slice(0, 8).join(", "), more: names.length - 8 }) : names.join(", "));

// -- the outline ----------------------------------------------------------------------------

function reduce() {
  show("run", "known");
  progress("points", 0);
  columns();
  now.worker.postMessage({ do: "reduce", space: now.space, spaceId: now.spaceId, mapping: { ...now.mapping }, points: Number($("points").value), seed: 0, semantic: semantic() });
}

function semantic() {
  const target = now.table.columns.find(({ name }) => name === $("target").value), name = $("name").value.trim();
  // specs: more than 20 different numbers are a regression.
  const task = target && !target.isEmpty ? (target.type === "numeric" && target.distinct > 20 ? "regression" : "classification") : undefined;
  return Object.fromEntries(Object.entries({ name, task, target: target?.name.slice(0, 200) }).filter(([, value]) => value));
}

function drawn() {
  const { outline, table, space } = now, { K, n, fit, random, floor, exposure } = outline;
  show("known", "outline");
  columns();
  $("picture").replaceChildren(cloud(outline.picture, outline.weights));
  $("summary").textContent = interpolate(gettext("%(rows)s rows became %(points)s weighted points of the space “%(space)s”, in %(seconds)s s since you dropped the file."), { rows: count(n), points: count(K), space: space.name, seconds: now.seconds.toFixed(1) });
  const gauge = [[interpolate(gettext("These %(K)s points"), { K: count(K) }), fit, "bar"], [interpolate(gettext("%(n)s random rows instead"), { n: count(Math.min(K, n)) }), random, "muted"], [gettext("Sampling alone"), floor, "bar-two"]].map(([words, squared, kind]) => [words, Math.sqrt(squared), kind]);
  const most = Math.max(...gauge.map(([, value]) => value), 1e-9);
  $("gauge").replaceChildren(...gauge.map(([words, value, kind]) => element("li", {}, element("span", {}, words), meter(value / most, kind), element("span", { class: "num" }, value < 1e-4 ? value.toExponential(1) : value.toFixed(4)))));
  $("gauge-words").textContent = fit <= floor
    ? gettext("Distance (MMD) to your data; lower is nearer. The points miss less than sampling does, so more of them gain nothing.")
    : gettext("Distance (MMD) to your data; lower is nearer. Sampling alone is how far so many rows lie from where they came from: more points help until theirs is below it.");
  $("size").textContent = kilo(new TextEncoder().encode(outline.text).length);
  $("gap").textContent = interpolate(gettext("%(gap)s times as far from its nearest row as rows lie from one another"), { gap: exposure.gap.toFixed(2) });
  $("stands").textContent = interpolate(gettext("%(mean)s rows on average, %(least)s at least"), { mean: count(Math.round(exposure.rowsAPoint)), least: figure(Math.round(10 * exposure.smallest) / 10) });
  const warnings = [
    exposure.rowsAPoint < ENOUGH_ROWS && interpolate(
      ngettext("%(rows)s rows a point. From %(enough)s on it is hard to tell whether a known row was among them. Take at most %(most)s point, or share it only with whom you trust.",
        "%(rows)s rows a point. From %(enough)s on it is hard to tell whether a known row was among them. Take at most %(most)s points, or share it only with whom you trust.", exposure.most),
      { rows: Math.round(exposure.rowsAPoint), enough: ENOUGH_ROWS, most: count(exposure.most) },
    ),
    exposure.copies > 0 && interpolate(gettext("%(copies)s of the points lie on a row. Rows that repeat many times are shown so."), { copies: percent(exposure.copies) }),
    exposure.smallest < FEWEST_ROWS - 1e-6 && interpolate(gettext("A point stands for %(rows)s rows only. Bring more rows, or take fewer points."), { rows: figure(Math.round(10 * exposure.smallest) / 10) }),
  ].filter(Boolean);
  $("warnings").hidden = !warnings.length;
  $("warning-list").replaceChildren(...warnings.map((text) => element("li", {}, text)));
  ledger();
  say(`${$("summary").textContent} ${gettext("Find what fits, or look first.")}`);
}

const rowsOf = (n) => interpolate(ngettext("%(n)s row", "%(n)s rows", n), { n: count(n) });
const columnsOf = (n) => interpolate(ngettext("%(n)s column", "%(n)s columns", n), { n: count(n) });

function columns() {
  const { table, file } = now, stands = new Map(Object.entries(now.space ? now.mapping : {}).map(([theirs, own]) => [own, theirs])), target = $("target").value;
  $("file-words").textContent = [file.name, kilo(file.size), rowsOf(table.n), columnsOf(table.columns.length)].join(" · ");
  const names = table.columns.map(({ name }) => name);
  if ($("target").dataset.of !== JSON.stringify(names)) {
    $("target").replaceChildren(element("option", { value: "" }, gettext("Nothing: describe all columns")), ...names.map((name) => element("option", { value: name }, name)));
    $("target").dataset.of = JSON.stringify(names);
    $("columns").open = names.length <= 12;
    $("columns").querySelector("summary").textContent = interpolate(ngettext("The %(n)s column", "The %(n)s columns", names.length), { n: count(names.length) });
  }
  $("rows").replaceChildren(...table.columns.map((column) => {
    const use = column.name === target ? gettext("to be predicted") : !now.space ? "" : !stands.has(column.name) ? gettext("left out") : stands.get(column.name) === column.name ? gettext("in the outline") : interpolate(gettext("as %(name)s"), { name: stands.get(column.name) });
    return element("tr", {}, element("th", { scope: "row", class: "wrap-any" }, column.name), element("td", {}, column.isEmpty ? gettext("empty") : column.type === "numeric" ? gettext("numbers") : gettext("words")),
      element("td", { class: "num" }, column.missing ? percent(column.missing) : gettext("none")), element("td", {}, ...histogram(column)), element("td", { class: "small text-secondary wrap-any" }, use));
  }));
}

function wordsOf({ distinct, isFull }) {
  const said = isFull ? ngettext("over %(n)s word", "over %(n)s words", distinct) : ngettext("%(n)s word", "%(n)s words", distinct);
  return interpolate(said, { n: count(distinct) });
}

function histogram(column) {
  if (column.isEmpty) return [gettext("No value in any row")];
  if (column.type === "numeric") return [bars(column.bins, interpolate(gettext("%(name)s from %(low)s to %(high)s"), { name: column.name, low: figure(column.low), high: figure(column.high) })), element("span", { class: "describe-ends" }, element("span", {}, figure(column.low)), element("span", {}, figure(column.high)))];
  const first = column.levels[0];
  return [bars([...column.levels.map(({ share }) => share), ...new Array(Math.max(0, 10 - column.levels.length)).fill(0)], interpolate(ngettext("%(name)s: %(n)s different word", "%(name)s: %(n)s different words", column.distinct), { name: column.name, n: column.distinct }), "bar-two"),
    element("span", { class: "describe-ends" }, element("span", { class: "text-truncate" }, `${first.text} ${percent(first.share)}`), element("span", {}, wordsOf(column)))];
}

// -- what left, and what will ---------------------------------------------------------------

function sentence(what, times, size) {
  if (size) return interpolate(gettext("%(what)s: %(size)s sent."), { what, size });
  return interpolate(times > 1 ? gettext("%(what)s, %(times)s times: nothing else sent.") : gettext("%(what)s: nothing else sent."), { what, times });
}

function ledger() {
  if (!now?.table) return;
  $("requests").textContent = count(now.requests);
  const sent = [];
  for (const entry of now.ledger.sent) {
    const same = sent.find(({ what, body }) => !body && what === entry.what);
    if (same) same.times += 1;
    else sent.push({ ...entry, times: 1 });
  }
  const rows = sent.map(({ what, bytes, body, times }) => {
    const line = element("li", {}, sentence(what, times, body ? kilo(bytes) : ""));
    if (body) line.append(" ", element("details", { class: "more d-inline-block align-top" }, element("summary", {}, gettext("Show it")), element("pre", { class: "describe-body", tabindex: "0" }, body)));
    return line;
  });
  const other = now.ledger.between(now.read, Infinity) - now.ledger.sent.length;
  if (other > 0) rows.push(element("li", {}, interpolate(ngettext("The browser fetched %(n)s file of this page itself, such as pictures: nothing sent.", "The browser fetched %(n)s files of this page itself, such as pictures: nothing sent.", other), { n: count(other) })));
  if (now.outline) rows.push(element("li", { class: "text-body" }, interpolate(gettext("Find what fits will send task.json: %(text)s, of them no row."), { text: kilo(new TextEncoder().encode(now.outline.text).length) })));
  const open = new Set([...$("sent").querySelectorAll("li")].flatMap((line, i) => (line.querySelector("details[open]") ? [i] : [])));
  $("sent").replaceChildren(...rows);
  open.forEach((i) => { const details = $("sent").children[i]?.querySelector("details"); if (details) details.open = true; });
}

const taskFile = () => new File([now.outline.text], "task.json", { type: "application/json" });

function find() {
  const carried = new DataTransfer(), field = form.elements.specification;
  carried.items.add(taskFile());
  field.files = carried.files;
  field.dispatchEvent(new Event("change", { bubbles: true }));
  form.requestSubmit();
  $("find").setAttribute("aria-busy", "true");
}

function download() {
  const url = URL.createObjectURL(taskFile()), link = element("a", { href: url, download: "task.json" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function again() {
  if (now?.space && now.outline) reduce();
}

place.hidden = false;
document.getElementById("describe-without").hidden = true;
$("file").addEventListener("change", () => { if ($("file").files[0]) begin($("file").files[0]); });
$("target").addEventListener("change", () => { if (now?.table) { now.isAsked = true; now.outline = null; show("run", "known"); choose(); } });
$("space").addEventListener("change", () => { now.outline = null; take(); });
$("points").addEventListener("change", () => { $("points").dataset.chosen = "yes"; again(); });
$("name").addEventListener("change", again);
$("go").addEventListener("click", reduce);
$("find").addEventListener("click", find);
$("download").addEventListener("click", download);
place.querySelectorAll("[data-restart]").forEach((button) => button.addEventListener("click", restart));
// A file that misses the area must not take the page away.
for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => { if (!event.target.closest?.("[data-drop]")) event.preventDefault(); });
show("pick");
