// The upload page: files are recognised, hashed and checked here before their first byte leaves; then they go up in parts that resume,
// while a draft on the server remembers the words. Without this script the plain form does the work.
import { recognise } from "./kinds.js";
import * as memory from "./memory.js";
import { call, Refusal, Sending } from "./sending.js";
import { gettext, interpolate, ngettext } from "../words.js";

const FORMAT = "moorage.learnware/1";
const FIELDS = ["name", "version", "title", "task", "target", "classes", "unit", "takes", "architecture", "licence", "card", "owner", "visibility"];
const KINDS = { model: gettext("Model"), specification: gettext("Specification"), manifest: gettext("Manifest"), statistics: gettext("Statistics") };
const FIELD_OF = { "output.target": "target", "output.classes": "classes", "output.unit": "unit", "output.kind": "task", "input.takes": "takes", "model.architecture": "architecture", "model.format": "model" };
const CHECK_AFTER_MS = 400;
const SAVE_AFTER_MS = 1000;

const form = document.querySelector("form[data-offer]");
const said = form.dataset;
const csrf = form.elements.csrfmiddlewaretoken.value;
const slots = {};
const strays = [];
const touched = new Set();
const before = { problems: [], manifest: null };
let draft = said.draft || "";
let tried = false; // once asked to offer, what is missing is said too
let offering = false; // all that was known is in order: offered as soon as the last byte has arrived
let asked = 0;

const one = (selector) => form.querySelector(selector);
const control = (name) => form.elements[name];
const size = (bytes) => {
  const units = [gettext("bytes"), "kB", "MB", "GB"];
  let at = 0;
  while (bytes >= 1000 && at < units.length - 1) { bytes /= 1000; at += 1; }
  return `${at ? bytes.toFixed(1) : bytes} ${units[at]}`;
};
const percent = (slot) => Math.floor(100 * (slot.done ?? 0) / slot.size);
const upload = (slot) => (slot.known ? `sha256:${slot.sha256}` : slot.url?.split("/").pop());
const later = (milliseconds, work) => {
  let timer;
  return () => { clearTimeout(timer); timer = setTimeout(work, milliseconds); };
};

// --- files ------------------------------------------------------------------------------------

let taking = Promise.resolve();

function take(files) {
  taking = taking.then(() => recogniseAll(files));
  return taking;
}

async function recogniseAll(files) {
  for (const file of files) {
    let found;
    try {
      found = await recognise(file);
    } catch {
      found = { problem: { message: interpolate(gettext("%(name)s can not be read."), { name: file.name }), fix: gettext("Choose a file, not a folder, and one that is still there.") } };
    }
    if (found.problem) strays.push({ name: file.name, size: file.size, ...found.problem });
    else await fill(found, file);
  }
  draw();
  checkSoon();
  saveSoon();
}

async function fill({ kind, format, document: content }, file) {
  const held = slots[kind];
  for (let at = strays.length - 1; at >= 0; at -= 1) if (strays[at].kind === kind) strays.splice(at, 1);
  if (kind === "manifest") {
    slots.manifest = { kind, file, name: file.name, size: file.size, state: "done", document: content };
    touched.clear();
    show(content);
    return;
  }
  const slot = { kind, file, format, name: file.name, size: file.size, state: "hashing", done: 0, document: content };
  if (file.size > Number(said.max)) {
    strays.push({ kind, name: file.name, size: file.size, message: interpolate(gettext("%(name)s has %(file)s; a file may have %(said)s."), { name: file.name, file: size(file.size), said: size(Number(said.max)) }), fix: gettext("Offer a smaller one.") });
    return;
  }
  if (held?.url && ["waiting", "sending", "paused", "failed"].includes(held.state)) slot.expected = held;
  held?.sending?.pause();
  slots[kind] = slot;
  hash(slot);
}

function hash(slot) {
  const worker = new Worker(said.hashing, { type: "module" });
  slot.stop = () => worker.terminate();
  const over = () => { worker.terminate(); delete slot.stop; };
  worker.onerror = () => { over(); fail(slot, interpolate(gettext("%(name)s could not be hashed."), { name: slot.name }), gettext("Reload the page and drop it again.")); };
  worker.onmessage = ({ data }) => {
    if (data.unreadable) {
      over();
      fail(slot, interpolate(gettext("%(name)s can not be read any more."), { name: slot.name }), gettext("Drop it again."));
    } else if (data.sha256) {
      over();
      slot.sha256 = data.sha256;
      hashed(slot);
    } else {
      slot.done = data.done;
      draw();
    }
  };
  worker.postMessage(slot.file);
}

async function hashed(slot) {
  if (slots[slot.kind] !== slot) return;
  const begun = slot.expected;
  if (begun && begun.sha256 !== slot.sha256) {
    slots[slot.kind] = begun;
    begun.state = begun.state === "sending" ? "paused" : begun.state;
    strays.push({ kind: slot.kind, name: slot.name, size: slot.size, message: interpolate(gettext("%(name)s is another file than %(name2)s, whose upload has begun: their SHA-256 differ."), { name: slot.name, name2: begun.name }), fix: interpolate(gettext("Drop %(name)s again, or cancel its upload first."), { name: begun.name }) });
    draw();
    return;
  }
  slot.url = begun?.url ?? memory.find(said.user, slot.sha256, slot.size);
  slot.done = 0;
  slot.state = "looking"; // not sent before it is known where it goes on
  draw();
  checkSoon();
  try {
    await lookUp(slot);
  } catch {
    // Whether the market knows it is a saving, not a need.
  }
  if (slot.state === "looking") slot.state = "ready";
  if (slots[slot.kind] === slot) go(slot);
}

// Bytes that the market has need not be sent: those of a version that the user may use, or of an upload of theirs.
async function lookUp(slot) {
  if ((await call("GET", `${said.known}?sha256=${slot.sha256}&size=${slot.size}`, csrf)).known) {
    Object.assign(slot, { known: true, state: "done", done: slot.size });
    return;
  }
  const held = (await call("GET", said.uploads, csrf)).find((upload) => upload.sha256 === slot.sha256 && upload.size === slot.size);
  if (slot.url && slot.url !== held?.url) memory.forget(slot.url);
  slot.url = held?.url ?? "";
  if (held?.finished) Object.assign(slot, { state: "done", done: slot.size });
}

// A file is sent once nothing is wrong with what is known of it; the rest of the form may still be written.
function maySend(slot) {
  if (slot.state !== "ready" || !slot.file) return false;
  const manifest = slots.manifest?.document;
  if (slot.kind === "model" && manifest?.model?.sha256 && manifest.model.sha256 !== slot.sha256) return false;
  return !manifest || (before.manifest !== null && !before.problems.length);
}

async function go(slot) {
  if (slot.state === "done") { draw(); saveSoon(); settle(); return; }
  if (!maySend(slot)) { draw(); return; }
  slot.state = "sending";
  slot.sending = new Sending({
    file: slot.file, name: slot.name, sha256: slot.sha256, url: slot.url, address: said.uploads, csrf,
    begun: (url) => { slot.url = url; memory.remember({ url, kind: slot.kind, format: slot.format, name: slot.name, size: slot.size, sha256: slot.sha256, user: said.user, draft }); save(); },
    moved: ({ done, waits }) => { slot.waits = Boolean(waits); slot.done = done ?? slot.done; draw(); },
  });
  draw();
  try {
    const ended = await slot.sending.run();
    if (slots[slot.kind] !== slot || ended === "cancelled") return;
    slot.state = ended;
    if (ended === "done") memory.forget(slot.url);
  } catch (error) {
    fail(slot, `${slot.name} ${error.message}`, error.hint || gettext("Try again."));
  }
  draw();
  saveSoon();
  settle();
}

function fail(slot, message, fix) {
  Object.assign(slot, { state: "failed", message, fix });
  draw();
}

async function cancel(slot) {
  slot.stop?.();
  if (slots[slot.kind] === slot) delete slots[slot.kind];
  if (slot.kind === "manifest") touched.clear();
  if (slot.url) {
    memory.forget(slot.url);
    await (slot.sending ?? new Sending({ url: slot.url, csrf, file: { size: 0 }, moved: () => {} })).cancel();
  }
  draw();
  checkSoon();
  saveSoon();
}

// --- rows -------------------------------------------------------------------------------------

const rows = one("[data-rows]");
const drawn = new Map();

function draw() {
  const shown = [...Object.keys(KINDS).map((kind) => slots[kind]).filter(Boolean), ...strays];
  for (const [item, row] of drawn) if (!shown.includes(item)) { row.remove(); drawn.delete(item); }
  for (const item of shown) {
    if (!drawn.has(item)) {
      drawn.set(item, document.querySelector("template[data-row]").content.firstElementChild.cloneNode(true));
      rows.append(drawn.get(item));
      listen(drawn.get(item), item);
    }
    paint(drawn.get(item), item);
  }
  drawButton();
}

function paint(row, item) {
  const [words, look] = item.message ? [item.message, "bad"] : state(item);
  row.className = `is-${look}`;
  row.querySelector("[data-name]").textContent = `${item.kind && item.state ? `${KINDS[item.kind]}: ` : ""}${item.name}`;
  row.querySelector("[data-size]").textContent = size(item.size);
  const line = row.querySelector("[data-said]");
  if (line.dataset.text !== words + (item.fix ?? "")) {
    line.dataset.text = words + (item.fix ?? "");
    line.replaceChildren(words, ...(item.message && item.fix ? [" ", ...ticks(item.fix)] : []));
  }
  if (look === "bad") line.setAttribute("role", "alert"); else line.removeAttribute("role");
  const bar = row.querySelector("progress");
  bar.hidden = !["hashing", "sending", "paused", "waiting"].includes(item.state);
  bar.value = bar.hidden ? 0 : (item.done ?? 0) / item.size;
  bar.setAttribute("aria-label", interpolate(item.state === "hashing" ? gettext("Hashing %(name)s") : gettext("Sending %(name)s"), { name: item.name }));
  const may = { pause: item.state === "sending", resume: item.state === "paused" || (item.state === "failed" && item.file && item.sha256), cancel: Boolean(item.url) && item.state !== "done", remove: !item.url || item.state === "done" };
  for (const [name, allowed] of Object.entries(may)) row.querySelector(`[data-do=${name}]`).hidden = !allowed;
}

function state(item) {
  if (item.kind === "manifest") return [item.file ? gettext("Read; its words stand below.") : gettext("Kept in the draft."), "good"];
  if (item.state === "hashing") return [interpolate(gettext("Hashing, %(item)s %"), { item: percent(item) }), "busy"];
  if (item.state === "looking") return [gettext("Asking whether the market has it."), "busy"];
  if (item.state === "ready") return [before.problems.length ? gettext("Ready. It is sent once what is wrong is mended.") : gettext("Ready."), "busy"];
  if (item.state === "sending") return [item.waits ? interpolate(gettext("The line broke at %(item)s %; trying again."), { item: percent(item) }) : interpolate(gettext("Sending, %(item)s %"), { item: percent(item) }), "busy"];
  if (item.state === "paused") return [interpolate(gettext("Paused at %(item)s %"), { item: percent(item) }), "busy"];
  if (item.state === "waiting") return [interpolate(gettext("Continue upload of %(name)s, %(item)s %: drop the file again."), { name: item.name, item: percent(item) }), "wait"];
  if (item.known) return [gettext("The market has it already; nothing is sent."), "good"];
  return [interpolate(gettext("Arrived, SHA-256 %(sha256)s…"), { sha256: item.sha256.slice(0, 12) }), "good"];
}

function listen(row, item) {
  const does = {
    pause: () => item.sending.pause(),
    resume: () => { delete item.message; delete item.fix; item.state = "ready"; go(item); },
    cancel: () => cancel(item),
    remove: () => { if (strays.includes(item)) { strays.splice(strays.indexOf(item), 1); draw(); } else cancel(item); },
  };
  for (const [name, work] of Object.entries(does)) {
    const button = row.querySelector(`[data-do=${name}]`);
    button.addEventListener("click", work);
    button.setAttribute("aria-label", `${button.textContent} ${item.name}`);
  }
}

// Words in backticks become code.
function ticks(text) {
  return text.split("`").map((part, i) => {
    if (i % 2 === 0) return part;
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  });
}

// --- the manifest -----------------------------------------------------------------------------

function show(manifest) {
  const output = manifest.output ?? {}, architecture = manifest.model?.architecture;
  const values = {
    name: manifest.name, version: manifest.version, title: manifest.title, task: manifest.task, target: output.target, classes: output.classes?.join?.(", "), unit: output.unit,
    takes: manifest.input?.takes, architecture: architecture ? JSON.stringify(architecture) : "", licence: manifest.licence, card: manifest.card, owner: manifest.owner,
  };
  for (const [name, value] of Object.entries(values)) if (typeof value === "string" && (value || name !== "owner")) control(name).value = value;
}

// learnware.json as it would be offered: what was brought, and over it whatever was written by hand.
function compose() {
  const base = slots.manifest?.document ?? {}, model = slots.model;
  const value = (name) => control(name).value.trim();
  const mine = (...names) => !slots.manifest || names.some((name) => touched.has(name));
  const manifest = { ...base, format: base.format ?? FORMAT };
  for (const name of ["name", "version", "title", "task", "licence", "card"]) if (mine(name)) manifest[name] = name === "card" ? control(name).value : value(name);
  if (mine("owner") || !base.owner) manifest.owner = value("owner");
  const space = slots.specification?.document?.space_id ?? slots.specification?.space ?? (slots.specification ? undefined : said.keptSpace);
  if (mine("takes") || !base.input) manifest.input = { ...base.input, space: base.input?.space ?? space ?? "", takes: value("takes") };
  if (mine("task", "target", "classes", "unit") || !base.output) {
    manifest.output = value("task") === "regression"
      ? { kind: "value", target: value("target"), unit: value("unit") || null }
      : { kind: "classes", target: value("target"), classes: value("classes").split(",").map((name) => name.trim()).filter(Boolean) };
  }
  if (model?.sha256) {
    const file = base.model?.file ?? model.name.replace(/[^A-Za-z0-9._-]/g, "-").replace(/^[._-]+/, "").slice(-80);
    manifest.model = { format: model.format, file: file || "model", sha256: model.sha256, size: model.size, architecture: mine("architecture") ? architecture() : base.model?.architecture ?? null };
  }
  return manifest;
}

function architecture() {
  const text = control("architecture").value.trim();
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    return text; // the check says that it is no object
  }
}

// --- checking ---------------------------------------------------------------------------------

function missing() {
  const found = [];
  if (!slots.model) found.push({ field: "files", message: gettext("The model file is missing."), fix: gettext("Drop a safetensors, skops, ONNX, XGBoost or LightGBM file.") });
  if (!slots.specification && !said.kept) found.push({ field: "files", message: gettext("The specification is missing."), fix: gettext("Make one where your data is with `moorage describe data.csv`, and drop it.") });
  return found;
}

function local() {
  const named = slots.manifest?.document?.model?.sha256, model = slots.model;
  if (!named || !model?.sha256 || named === model.sha256) return [];
  return [{ field: "files", message: interpolate(gettext("learnware.json names another model file: SHA-256 %(named)s…; %(name)s has %(sha256)s…."), { named: String(named).slice(0, 12), name: model.name, sha256: model.sha256.slice(0, 12) }), fix: gettext("Drop the model that it names, or the learnware.json of this one.") }];
}

let checking = Promise.resolve();

function check() {
  checking = checkOnce();
  return checking;
}

async function checkOnce() {
  const specification = slots.specification ? slots.specification.document ?? (slots.specification.state === "done" ? upload(slots.specification) : null) : said.kept ? `sha256:${said.kept}` : null;
  const begun = slots.manifest || control("name").value.trim();
  if (!tried && !(begun && specification)) { before.problems = local(); mark(); draw(); return; }
  const turn = ++asked, manifest = compose();
  let problems;
  try {
    const body = { manifest, specification, statistics: Boolean(slots.statistics), visibility: control("visibility").value };
    problems = (await call("POST", said.check, csrf, body)).problems;
  } catch (error) {
    problems = error instanceof Refusal ? error.problems ?? [{ field: "", message: error.message, fix: error.hint }] : [{ field: "", message: gettext("The market did not answer."), fix: gettext("It is asked again when you change something.") }];
  }
  if (turn !== asked) { await checking; return; } // a newer one knows more
  if (!slots.model?.sha256) problems = problems.filter(({ field }) => !/^model\b/.test(field));
  if (!specification) problems = problems.filter(({ field }) => field !== "specification");
  before.problems = [...local(), ...problems];
  before.manifest = manifest;
  mark();
  draw();
  for (const slot of Object.values(slots)) if (slot.state === "ready") go(slot);
  settle();
}

const checkSoon = later(CHECK_AFTER_MS, check);

function mark() {
  const wanted = tried ? [...missing(), ...before.problems] : before.problems;
  for (const name of [...FIELDS, "model"]) {
    control(name)?.classList.remove("is-invalid");
    control(name)?.removeAttribute("aria-invalid");
  }
  for (const { field } of wanted) {
    const name = FIELD_OF[field] ?? field.split(".")[0];
    if (!FIELDS.includes(name)) continue;
    control(name).classList.add("is-invalid");
    control(name).setAttribute("aria-invalid", "true");
    control(name).closest("details")?.setAttribute("open", "");
  }
  list(wanted);
}

function list(problems) {
  const panel = one("[data-problems]");
  const items = problems.map(({ message, fix }) => {
    const item = document.createElement("li"), first = document.createElement("p");
    first.textContent = message;
    item.append(first);
    if (fix) {
      const second = document.createElement("p");
      second.className = "small";
      second.append(...ticks(fix));
      item.append(second);
    }
    return item;
  });
  const text = items.map((item) => item.textContent).join("");
  if (panel.dataset.text !== text) {
    panel.dataset.text = text;
    panel.querySelector("[data-title]").textContent = interpolate(ngettext("One thing to mend", "%(n)s things to mend", problems.length), { n: problems.length });
    panel.querySelector("ol").replaceChildren(...items);
  }
  panel.hidden = !problems.length;
}

// --- drafts -----------------------------------------------------------------------------------

let saving = Promise.resolve();

function save() {
  saving = saving.then(write).catch((error) => { one("[data-draft-said]").textContent = interpolate(gettext("The draft is not kept: %(message)s"), { message: error.message }); });
  return saving;
}

const saveSoon = later(SAVE_AFTER_MS, save);

async function write() {
  if (offered || (!touched.size && !Object.keys(slots).length && !draft)) return;
  const files = Object.fromEntries(Object.values(slots).filter(({ kind, sha256 }) => kind !== "manifest" && sha256).map((slot) => [slot.kind, {
    name: slot.name, size: slot.size, sha256: slot.sha256, format: slot.format ?? "", known: Boolean(slot.known), url: slot.url ?? "", space: slot.document?.space_id ?? slot.space ?? "",
  }]));
  const document_ = {
    fields: Object.fromEntries(FIELDS.map((name) => [name, control(name).value])), touched: [...touched], files, new: said.new || null, request: said.request || null,
    manifest: slots.manifest ? { name: slots.manifest.name, size: slots.manifest.size, document: slots.manifest.document } : null,
  };
  const body = { document: document_, uploads: Object.values(slots).filter(({ url }) => url).map(({ url }) => url.split("/").pop()) };
  const kept = draft ? await call("PUT", `${said.drafts}/${draft}`, csrf, body) : await call("POST", said.drafts, csrf, body);
  if (!draft) {
    draft = kept.id;
    history.replaceState(null, "", kept.url);
  }
  for (const { url } of kept.uploads) memory.belongs(url, draft);
  one("[data-draft-said]").textContent = gettext("Kept as a draft.");
}

async function restore() {
  if (draft) await restoreDraft();
  await restoreLeft();
  draw();
  if (draft) checkSoon();
}

async function restoreDraft() {
  const kept = await call("GET", `${said.drafts}/${draft}`, csrf);
  const { files = {}, manifest, touched: names = [] } = kept.document;
  names.filter((name) => FIELDS.includes(name)).forEach((name) => touched.add(name));
  if (manifest?.document) slots.manifest = { kind: "manifest", name: manifest.name, size: manifest.size, state: "done", document: manifest.document };
  for (const [kind, file] of Object.entries(files)) {
    const held = kept.uploads.find(({ url }) => url === file.url);
    if (KINDS[kind] && (held || file.known)) begunBefore({ kind, ...file }, held);
  }
}

// Uploads that this browser had begun when the page went away before the draft heard of them.
async function restoreLeft() {
  const entries = memory.left(said.user, draft).filter(({ kind }) => KINDS[kind] && !slots[kind]);
  if (!entries.length) return;
  const uploads = await call("GET", said.uploads, csrf);
  for (const entry of entries) {
    const held = uploads.find(({ url }) => url === entry.url);
    if (held) begunBefore(entry, held);
    else memory.forget(entry.url);
  }
}

// Whatever is not whole waits until its file is dropped again: a page may not open files by itself.
function begunBefore(file, held) {
  slots[file.kind] = { ...file, done: held ? held.offset : file.size, state: file.known || held.finished ? "done" : "waiting" };
}

// --- the offer --------------------------------------------------------------------------------

let offered = false;
const button = one("[data-offer-button]");
const buttonWords = one("[data-offer-words]");

function drawButton() {
  const busy = offering && !offered && Object.values(slots).some(({ state: now }) => ["hashing", "looking", "sending"].includes(now));
  buttonWords.textContent = busy ? gettext("It is offered as soon as all has arrived") : offered ? gettext("Offering") : gettext("Offer it");
  button.toggleAttribute("aria-busy", offered);
  if (offered) button.setAttribute("aria-busy", "true");
}

async function offer() {
  await taking; // a click that comes before the files are read means them too
  tried = true;
  offering = false;
  await check();
  const wanted = [...missing(), ...before.problems];
  offering = !wanted.length && !strays.length;
  if (wanted.length) one("[data-problems]").focus();
  else if (strays.length) rows.querySelector(".is-bad")?.scrollIntoView({ block: "center" });
  draw();
  settle();
}

// The offer itself, once everything that belongs to it has arrived.
async function settle() {
  const all = Object.values(slots);
  if (offering && before.problems.length) offering = false; // what came to light since is listed; a click begins anew
  if (!offering || offered || before.problems.length || missing().length || all.some(({ state: now }) => now !== "done")) { drawButton(); return; }
  offered = true;
  drawButton();
  try {
    const body = {
      manifest: compose(), model: upload(slots.model), specification: slots.specification ? upload(slots.specification) : `sha256:${said.kept}`,
      statistics: slots.statistics ? upload(slots.statistics) : null, visibility: control("visibility").value, draft: draft || null,
    };
    const version = await call("POST", said.offerUrl, csrf, body);
    location.assign(version.url);
  } catch (error) {
    offered = offering = false;
    before.problems = error.problems ?? [{ field: "", message: error.message, fix: error.hint ?? "" }];
    mark();
    one("[data-problems]").focus();
    draw();
  }
}

// --- hands ------------------------------------------------------------------------------------

async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const found = [];
  const walk = async (entry) => {
    if (entry.isFile) { found.push(await new Promise((resolve, reject) => entry.file(resolve, reject))); return; }
    const reader = entry.createReader();
    for (let some; (some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length;) for (const inner of some) await walk(inner);
  };
  for (const entry of entries) await walk(entry);
  return found.filter(({ name }) => !name.startsWith("."));
}

function prepare() {
  const zone = one("[data-zone]");
  one("[data-plain]").hidden = true;
  form.noValidate = true; // what is missing is said below, all at once
  zone.hidden = false;
  for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("dragging"); });
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("dragging"));
  zone.addEventListener("drop", async (event) => { event.preventDefault(); take(await filesOf(event.dataTransfer)); });
  // A file that misses the zone must not replace the page.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
  for (const input of form.querySelectorAll("input[type=file]")) {
    input.addEventListener("change", () => {
      take([...input.files].filter(({ name }) => !name.startsWith(".")));
      input.value = "";
    });
  }
  for (const [choose, input] of [["[data-choose-files]", "[data-files]"], ["[data-choose-folder]", "[data-folder]"]]) one(choose).addEventListener("click", () => one(input).click());
  form.addEventListener("input", (event) => {
    if (!FIELDS.includes(event.target.name)) return;
    touched.add(event.target.name);
    checkSoon();
    saveSoon();
  });
  for (const step of form.querySelectorAll("[data-number]")) {
    step.addEventListener("click", () => {
      control("version").value = step.dataset.number;
      control("version").dispatchEvent(new Event("input", { bubbles: true }));
    });
  }
  form.addEventListener("submit", (event) => { event.preventDefault(); event.stopPropagation(); offer(); });
  window.addEventListener("beforeunload", (event) => {
    if (!offered && Object.values(slots).some(({ state: now }) => now === "sending")) event.preventDefault();
  });
}

prepare();
draw();
restore().catch((error) => { one("[data-draft-said]").textContent = interpolate(gettext("What was kept can not be read: %(message)s"), { message: error.message }); });
