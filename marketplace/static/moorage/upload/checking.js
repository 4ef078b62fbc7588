// What is wrong with an offer before it is one: the market is asked, and its answer is marked in the form and listed. Whoever goes on from there hears "checked".
import { compose } from "./manifest.js";
import { draw, ticks } from "./rows.js";
import { call, Refusal } from "./sending.js";
import { control, course, csrf, FIELDS, form, later, one, said, slots, upload, verdict } from "./state.js";
import { gettext, interpolate, ngettext } from "../words.js";

const FIELD_OF = { "output.target": "target", "output.classes": "classes", "output.unit": "unit", "output.kind": "task", "input.takes": "takes", "model.architecture": "architecture", "model.format": "model" };
const CHECK_AFTER_MS = 400;

export function missing() {
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

let asked = 0;
let checking = Promise.resolve();

export function check() {
  checking = checkOnce();
  return checking;
}

async function checkOnce() {
  const specification = slots.specification ? slots.specification.document ?? (slots.specification.state === "done" ? upload(slots.specification) : null) : said.kept ? `sha256:${said.kept}` : null;
  const begun = slots.manifest || control("name").value.trim();
  if (!course.tried && !(begun && specification)) { verdict.problems = local(); mark(); draw(); return; }
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
  verdict.problems = [...local(), ...problems];
  verdict.manifest = manifest;
  mark();
  draw();
  form.dispatchEvent(new Event("checked"));
}

export const checkSoon = later(CHECK_AFTER_MS, check);

export function mark() {
  const wanted = course.tried ? [...missing(), ...verdict.problems] : verdict.problems;
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
