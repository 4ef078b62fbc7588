// The draft on the server: it remembers the words and what has begun to go up, for another day or another machine.
import { checkSoon } from "./checking.js";
import * as memory from "./memory.js";
import { draw } from "./rows.js";
import { call } from "./sending.js";
import { control, course, csrf, FIELDS, KINDS, later, one, said, slots, touched } from "./state.js";
import { gettext, interpolate } from "../words.js";

const SAVE_AFTER_MS = 1000;

let saving = Promise.resolve();

export function save() {
  saving = saving.then(write).catch((error) => { one("[data-draft-said]").textContent = interpolate(gettext("The draft is not kept: %(message)s"), { message: error.message }); });
  return saving;
}

export const saveSoon = later(SAVE_AFTER_MS, save);

async function write() {
  if (course.offered || (!touched.size && !Object.keys(slots).length && !course.draft)) return;
  const files = Object.fromEntries(Object.values(slots).filter(({ kind, sha256 }) => kind !== "manifest" && sha256).map((slot) => [slot.kind, {
    name: slot.name, size: slot.size, sha256: slot.sha256, format: slot.format ?? "", known: Boolean(slot.known), url: slot.url ?? "", space: slot.document?.space_id ?? slot.space ?? "",
  }]));
  const document_ = {
    fields: Object.fromEntries(FIELDS.map((name) => [name, control(name).value])), touched: [...touched], files, new: said.new || null, request: said.request || null,
    manifest: slots.manifest ? { name: slots.manifest.name, size: slots.manifest.size, document: slots.manifest.document } : null,
  };
  const body = { document: document_, uploads: Object.values(slots).filter(({ url }) => url).map(({ url }) => url.split("/").pop()) };
  const kept = course.draft ? await call("PUT", `${said.drafts}/${course.draft}`, csrf, body) : await call("POST", said.drafts, csrf, body);
  if (!course.draft) {
    course.draft = kept.id;
    history.replaceState(null, "", kept.url);
  }
  for (const { url } of kept.uploads) memory.belongs(url, course.draft);
  one("[data-draft-said]").textContent = gettext("Kept as a draft.");
}

export async function restore() {
  if (course.draft) await restoreDraft();
  await restoreLeft();
  draw();
  if (course.draft) checkSoon();
}

async function restoreDraft() {
  const kept = await call("GET", `${said.drafts}/${course.draft}`, csrf);
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
  const entries = memory.left(said.user, course.draft).filter(({ kind }) => KINDS[kind] && !slots[kind]);
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
