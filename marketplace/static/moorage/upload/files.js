// Files on their way: recognised, hashed, looked up, and sent once nothing is wrong with what is known of them.
import { checkSoon } from "./checking.js";
import { save, saveSoon } from "./drafts.js";
import { recognise } from "./kinds.js";
import * as manifest from "./manifest.js";
import * as memory from "./memory.js";
import { settle } from "./offering.js";
import { draw } from "./rows.js";
import { call, Sending } from "./sending.js";
import { course, csrf, said, size, slots, strays, touched, verdict } from "./state.js";
import { gettext, interpolate } from "../words.js";

export let taking = Promise.resolve();

export function take(files) {
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
    manifest.show(content);
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
  const words = slots.manifest?.document;
  if (slot.kind === "model" && words?.model?.sha256 && words.model.sha256 !== slot.sha256) return false;
  return !words || (verdict.manifest !== null && !verdict.problems.length);
}

export async function go(slot) {
  if (slot.state === "done") { draw(); saveSoon(); settle(); return; }
  if (!maySend(slot)) { draw(); return; }
  slot.state = "sending";
  slot.sending = new Sending({
    file: slot.file, name: slot.name, sha256: slot.sha256, url: slot.url, address: said.uploads, csrf,
    begun: (url) => { slot.url = url; memory.remember({ url, kind: slot.kind, format: slot.format, name: slot.name, size: slot.size, sha256: slot.sha256, user: said.user, draft: course.draft }); save(); },
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

export async function cancel(slot) {
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

export function sendWhatIsReady() {
  for (const slot of Object.values(slots)) if (slot.state === "ready") go(slot);
}
