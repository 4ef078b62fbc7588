// What is to be compared: ticked on any card, kept in this browser, counted in a bar at the foot of the page. Also: first steps that were put away.
"use strict";

(() => {
  const KEY = "compare", MOST = 6, LEAST = 2;

  const held = () => {
    try {
      const found = JSON.parse(localStorage.getItem(KEY) || "[]");
      return Array.isArray(found) ? found.filter((one) => one && typeof one.l === "string" && typeof one.title === "string").slice(0, MOST) : [];
    } catch { return []; }
  };
  const keep = (chosen) => {
    try { localStorage.setItem(KEY, JSON.stringify(chosen)); } catch { /* private mode: it lasts for this page */ }
    show(chosen);
  };
  const tell = (text) => {
    const region = document.getElementById("announce");
    if (region) region.textContent = text;
  };

  function make(tag, classes, text) {
    const made = document.createElement(tag);
    made.className = classes;
    if (text) made.textContent = text;
    if (tag === "button") made.type = "button";
    return made;
  }

  function bar() {
    const found = document.getElementById("compare-bar");
    if (found) return found;
    const made = make("section", "compare-bar no-print");
    made.id = "compare-bar";
    made.setAttribute("aria-label", gettext("To be compared"));
    document.body.append(made);
    return made;
  }

  function show(chosen) {
    const names = new Set(chosen.map((one) => one.l));
    document.querySelectorAll("input[data-compare]").forEach((box) => { box.checked = names.has(box.value); });
    const place = bar();
    place.hidden = !chosen.length || location.pathname.startsWith("/compare/");
    const inside = make("div", "container-xl"), list = make("ul", "");
    inside.append(make("strong", "num", interpolate(ngettext("%(n)s to compare", "%(n)s to compare", chosen.length), { n: chosen.length }, true)), list);
    for (const one of chosen) {
      const row = make("li", ""), button = make("button", "");
      button.setAttribute("aria-label", interpolate(gettext("Do not compare %(title)s"), { title: one.title }, true));
      button.addEventListener("click", () => { keep(held().filter((other) => other.l !== one.l)); tell(interpolate(gettext("%(title)s is taken away"), { title: one.title }, true)); });
      button.append(make("span", "", one.title), make("span", "", "×")); // a long name is cut, the cross is not
      row.append(button);
      list.append(row);
    }
    const clear = make("button", "btn btn-sm btn-clear", gettext("Clear"));
    clear.addEventListener("click", () => keep([]));
    const go = make("a", "btn btn-sm btn-go", chosen.length < LEAST ? gettext("Tick one more") : gettext("Compare"));
    if (chosen.length < LEAST) { go.classList.add("disabled"); go.setAttribute("aria-disabled", "true"); } else { go.href = `/compare/?${chosen.map((one) => `l=${encodeURIComponent(one.l).replaceAll("%2F", "/").replaceAll("%40", "@")}`).join("&")}`; }
    inside.append(clear, go);
    place.replaceChildren(inside);
  }

  document.addEventListener("change", (event) => {
    if (!event.target.matches?.("input[data-compare]")) return;
    const box = event.target, rest = held().filter((one) => one.l !== box.value);
    if (box.checked && rest.length >= MOST) {
      box.checked = false;
      tell(interpolate(gettext("At most %(MOST)s learnwares stand side by side. Take one away first."), { MOST }, true));
      return;
    }
    keep(box.checked ? [...rest, { l: box.value, title: box.dataset.compare }] : rest);
    tell(box.checked ? interpolate(gettext("%(compare)s will be compared: %(rest)s chosen"), { compare: box.dataset.compare, rest: rest.length + 1 }, true) : interpolate(gettext("%(compare)s is taken away"), { compare: box.dataset.compare }, true));
  });

  document.addEventListener("click", (event) => {
    const drop = event.target.closest("[data-compare-drop]");
    if (drop) keep(held().filter((one) => one.l !== drop.dataset.compareDrop));
    const away = event.target.closest("[data-put-away]");
    if (away) {
      try { localStorage.setItem(away.dataset.putAway, "away"); } catch { /* private mode */ }
      document.getElementById(away.dataset.putAway).hidden = true;
    }
  });

  const begin = () => {
    show(held());
    document.querySelectorAll("[data-put-away]").forEach((button) => {
      try { if (localStorage.getItem(button.dataset.putAway) === "away") document.getElementById(button.dataset.putAway).hidden = true; } catch { /* shown */ }
    });
  };
  document.addEventListener("DOMContentLoaded", begin);
  document.addEventListener("htmx:afterSettle", () => show(held()));
  document.addEventListener("htmx:historyRestore", () => show(held()));
  window.addEventListener("pageshow", (event) => { if (event.persisted) show(held()); });
  window.addEventListener("storage", (event) => { if (event.key === KEY) show(held()); });
})();
