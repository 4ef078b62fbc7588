// What the page knows of one offer; the modules beside this one read it and change it.
import { gettext } from "../words.js";

export const FIELDS = ["name", "version", "title", "task", "target", "classes", "unit", "takes", "architecture", "licence", "card", "owner", "visibility"];
export const KINDS = { model: gettext("Model"), specification: gettext("Specification"), manifest: gettext("Manifest"), statistics: gettext("Statistics") };

export const form = document.querySelector("form[data-offer]");
export const said = form.dataset; // what the page was told: addresses, limits, whose it is
export const csrf = form.elements.csrfmiddlewaretoken.value;
export const slots = {}; // the file of each kind
export const strays = []; // what was dropped and can not be taken
export const touched = new Set(); // fields that were written by hand
export const verdict = { problems: [], manifest: null }; // of the last check, and the manifest that it was about
export const course = {
  draft: said.draft || "",
  tried: false, // once asked to offer, what is missing is said too
  offering: false, // all that was known is in order: offered as soon as the last byte has arrived
  offered: false,
};

export const one = (selector) => form.querySelector(selector);
export const control = (name) => form.elements[name];
export const percent = (slot) => Math.floor(100 * (slot.done ?? 0) / slot.size);
export const upload = (slot) => (slot.known ? `sha256:${slot.sha256}` : slot.url?.split("/").pop());

export function size(bytes) {
  const units = [gettext("bytes"), "kB", "MB", "GB"];
  let at = 0;
  while (bytes >= 1000 && at < units.length - 1) { bytes /= 1000; at += 1; }
  return `${at ? bytes.toFixed(1) : bytes} ${units[at]}`;
}

// Work that is done once no more has come for a while.
export function later(milliseconds, work) {
  let timer;
  return () => { clearTimeout(timer); timer = setTimeout(work, milliseconds); };
}
