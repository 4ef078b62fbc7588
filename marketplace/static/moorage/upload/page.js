// The upload page: files are recognised, hashed and checked here before their first byte leaves; then they go up in parts that resume,
// while a draft on the server remembers the words. Without this script the plain form does the work.
// Here is what a hand can do; what follows from it is in files.js, checking.js, drafts.js and offering.js, over what state.js holds.
import { checkSoon } from "./checking.js";
import { restore, saveSoon } from "./drafts.js";
import { cancel, go, sendWhatIsReady, take, taking } from "./files.js";
import { offer, settle } from "./offering.js";
import { draw, itemOf, rows } from "./rows.js";
import { control, course, FIELDS, form, one, slots, strays, touched } from "./state.js";
import { gettext, interpolate } from "../words.js";

// What the buttons of a row do.
const DOES = {
  pause: (item) => item.sending.pause(),
  resume: (item) => { delete item.message; delete item.fix; item.state = "ready"; go(item); },
  cancel,
  remove: (item) => { if (strays.includes(item)) { strays.splice(strays.indexOf(item), 1); draw(); } else cancel(item); },
};

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
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopPropagation();
    taking.then(offer); // a click that comes before the files are read means them too
  });
  form.addEventListener("checked", () => { sendWhatIsReady(); settle(); });
  rows.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) DOES[button.dataset.do](itemOf(button));
  });
  window.addEventListener("beforeunload", (event) => {
    if (!course.offered && Object.values(slots).some(({ state }) => state === "sending")) event.preventDefault();
  });
}

prepare();
draw();
restore().catch((error) => { one("[data-draft-said]").textContent = interpolate(gettext("What was kept can not be read: %(message)s"), { message: error.message }); });
