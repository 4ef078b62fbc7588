// The offer: asked for by a click, made once nothing is wrong and everything that belongs to it has arrived.
import { check, mark, missing } from "./checking.js";
import { compose } from "./manifest.js";
import { draw, drawButton, rows } from "./rows.js";
import { call } from "./sending.js";
import { control, course, csrf, one, said, slots, strays, upload, verdict } from "./state.js";

export async function offer() {
  course.tried = true;
  course.offering = false;
  await check();
  const wanted = [...missing(), ...verdict.problems];
  course.offering = !wanted.length && !strays.length;
  if (wanted.length) one("[data-problems]").focus();
  else if (strays.length) rows.querySelector(".is-bad")?.scrollIntoView({ block: "center" });
  draw();
  settle();
}

// The offer itself, once everything that belongs to it has arrived.
export async function settle() {
  const all = Object.values(slots);
  if (course.offering && verdict.problems.length) course.offering = false; // what came to light since is listed; a click begins anew
  if (!course.offering || course.offered || verdict.problems.length || missing().length || all.some(({ state }) => state !== "done")) { drawButton(); return; }
  course.offered = true;
  drawButton();
  try {
    const body = {
      manifest: compose(), model: upload(slots.model), specification: slots.specification ? upload(slots.specification) : `sha256:${said.kept}`,
      statistics: slots.statistics ? upload(slots.statistics) : null, visibility: control("visibility").value, draft: course.draft || null,
    };
    const version = await call("POST", said.offerUrl, csrf, body);
    location.assign(version.url);
  } catch (error) {
    course.offered = course.offering = false;
    verdict.problems = error.problems ?? [{ field: "", message: error.message, fix: error.hint ?? "" }];
    mark();
    one("[data-problems]").focus();
    draw();
  }
}
