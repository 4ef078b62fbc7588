// learnware.json: into the form where one was brought, and out of the form as it would be offered.
import { control, said, slots, touched } from "./state.js";

const FORMAT = "moorage.learnware/1";

export function show(manifest) {
  const output = manifest.output ?? {}, architecture = manifest.model?.architecture;
  const values = {
    name: manifest.name, version: manifest.version, title: manifest.title, task: manifest.task, target: output.target, classes: output.classes?.join?.(", "), unit: output.unit,
    takes: manifest.input?.takes, architecture: architecture ? JSON.stringify(architecture) : "", licence: manifest.licence, card: manifest.card, owner: manifest.owner,
  };
  for (const [name, value] of Object.entries(values)) if (typeof value === "string" && (value || name !== "owner")) control(name).value = value;
}

// learnware.json as it would be offered: what was brought, and over it whatever was written by hand.
export function compose() {
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
