// What is seen of the files: a row for each, with its state and what may be done, and the button that offers.
import { course, KINDS, one, percent, size, slots, strays, verdict } from "./state.js";
import { gettext, interpolate } from "../words.js";

export const rows = one("[data-rows]");
const drawn = new Map();
const button = one("[data-offer-button]");
const buttonWords = one("[data-offer-words]");

export function draw() {
  const shown = [...Object.keys(KINDS).map((kind) => slots[kind]).filter(Boolean), ...strays];
  for (const [item, row] of drawn) if (!shown.includes(item)) { row.remove(); drawn.delete(item); }
  for (const item of shown) {
    if (!drawn.has(item)) {
      drawn.set(item, document.querySelector("template[data-row]").content.firstElementChild.cloneNode(true));
      rows.append(drawn.get(item));
      label(drawn.get(item), item);
    }
    paint(drawn.get(item), item);
  }
  drawButton();
}

function paint(row, item) {
  const [words, look] = item.message ? [item.message, "bad"] : standing(item);
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

function standing(item) {
  if (item.kind === "manifest") return [item.file ? gettext("Read; its words stand below.") : gettext("Kept in the draft."), "good"];
  if (item.state === "hashing") return [interpolate(gettext("Hashing, %(item)s %"), { item: percent(item) }), "busy"];
  if (item.state === "looking") return [gettext("Asking whether the market has it."), "busy"];
  if (item.state === "ready") return [verdict.problems.length ? gettext("Ready. It is sent once what is wrong is mended.") : gettext("Ready."), "busy"];
  if (item.state === "sending") return [item.waits ? interpolate(gettext("The line broke at %(item)s %; trying again."), { item: percent(item) }) : interpolate(gettext("Sending, %(item)s %"), { item: percent(item) }), "busy"];
  if (item.state === "paused") return [interpolate(gettext("Paused at %(item)s %"), { item: percent(item) }), "busy"];
  if (item.state === "waiting") return [interpolate(gettext("Continue upload of %(name)s, %(item)s %: drop the file again."), { name: item.name, item: percent(item) }), "wait"];
  if (item.known) return [gettext("The market has it already; nothing is sent."), "good"];
  return [interpolate(gettext("Arrived, SHA-256 %(sha256)s…"), { sha256: item.sha256.slice(0, 12) }), "good"];
}

function label(row, item) {
  for (const button of row.querySelectorAll("[data-do]")) button.setAttribute("aria-label", `${button.textContent} ${item.name}`);
}

// The file whose row holds an element.
export const itemOf = (element) => [...drawn].find(([, row]) => row.contains(element))[0];

// Words in backticks become code.
export function ticks(text) {
  return text.split("`").map((part, i) => {
    if (i % 2 === 0) return part;
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  });
}

export function drawButton() {
  const busy = course.offering && !course.offered && Object.values(slots).some(({ state }) => ["hashing", "looking", "sending"].includes(state));
  buttonWords.textContent = busy ? gettext("It is offered as soon as all has arrived") : course.offered ? gettext("Offering") : gettext("Offer it");
  button.toggleAttribute("aria-busy", course.offered);
  if (course.offered) button.setAttribute("aria-busy", "true");
}
