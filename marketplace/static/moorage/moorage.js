// Small helps that no page depends on: copy buttons, confirmations, file names, drop areas, tabs in the address.
"use strict";

// Words in the language of the page: where it is not English, /jsi18n/ has defined these already (docs/operations.md).
globalThis.gettext ??= (text) => text;
globalThis.ngettext ??= (one, many, n) => (n === 1 ? one : many);
globalThis.interpolate ??= (text, values) => text.replace(/%\((\w+)\)s/g, (whole, name) => String(values[name] ?? whole));

const say = (text) => {
  const region = document.getElementById("announce");
  if (region) region.textContent = text;
};

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const text = (source.value ?? source.textContent).trim();
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.classList.add("copied");
  say(gettext("Copied"));
  setTimeout(() => button.classList.remove("copied"), 1600);
}

function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB"];
  let at = 0;
  while (bytes >= 1000 && at < units.length - 1) { bytes /= 1000; at += 1; }
  return `${at ? bytes.toFixed(1) : bytes} ${units[at]}`;
}

function showFile(input) {
  const drop = input.closest("[data-drop]");
  if (!drop) return;
  const label = drop.querySelector("[data-drop-name]");
  const file = input.files[0];
  drop.classList.toggle("has-file", Boolean(file));
  label.textContent = file ? `${file.name} · ${size(file.size)}` : label.dataset.dropName;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) {
    event.preventDefault();
    return;
  }
  const button = event.target.querySelector("button[data-busy]");
  if (button && !event.target.hasAttribute("hx-post")) {
    button.setAttribute("aria-busy", "true");
    setTimeout(() => { button.disabled = true; }, 0);
  }
});

window.addEventListener("pageshow", () => {
  document.querySelectorAll("button[aria-busy]").forEach((button) => {
    button.removeAttribute("aria-busy");
    button.disabled = false;
  });
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-drop] input[type=file]")) showFile(event.target);
  if (event.target.matches("[data-shows]")) {
    // A select that shows one of several blocks: <select data-shows="method-"> and <div id="method-auto">.
    const prefix = event.target.dataset.shows;
    document.querySelectorAll(`[data-shown-by="${prefix}"]`).forEach((block) => {
      block.hidden = block.id !== prefix + event.target.value.replace("/", "-");
    });
  }
});

for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    const drop = event.target.closest?.("[data-drop]");
    if (!drop) return;
    drop.classList.toggle("dragging", name === "dragenter" || name === "dragover");
  });
}

// What opens over the page closes with Escape, and a click elsewhere; the keyboard goes back to what opened it.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const picker = document.querySelector("details.picker[open]");
  const menu = document.querySelector(".navbar-collapse.show");
  if (picker) {
    picker.open = false;
    picker.querySelector("summary").focus();
  } else if (menu && !menu.querySelector(".dropdown-menu.show")) {
    bootstrap.Collapse.getOrCreateInstance(menu).hide();
    document.querySelector(`[data-bs-target="#${menu.id}"]`).focus();
  }
});
document.addEventListener("click", (event) => {
  document.querySelectorAll("details.picker[open]").forEach((picker) => {
    if (!picker.contains(event.target)) picker.open = false;
  });
});

// The open tab stands in the address, so that a link can point at it.
document.addEventListener("shown.bs.tab", (event) => {
  const id = event.target.dataset.bsTarget;
  if (id && event.target.closest("[data-tabs]")) history.replaceState(null, "", id);
});

document.addEventListener("DOMContentLoaded", () => {
  const wanted = location.hash && document.querySelector(`[data-tabs] [data-bs-target="${CSS.escape(location.hash).replace("\\#", "#")}"]`);
  if (wanted) bootstrap.Tab.getOrCreateInstance(wanted).show();
  document.querySelectorAll("select[data-shows]").forEach((select) => {
    select.dispatchEvent(new Event("change", { bubbles: true }));
  });
  document.querySelectorAll("[data-go-to]").forEach((link) => {
    link.addEventListener("click", () => {
      const tab = document.querySelector(`[data-tabs] [data-bs-target="${link.getAttribute("href")}"]`);
      if (tab) bootstrap.Tab.getOrCreateInstance(tab).show();
    });
  });
});
