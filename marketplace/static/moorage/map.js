// The map of the catalog on a canvas: move, zoom, point at, and choose with a lasso. Everything it shows stands in words beside it.
"use strict";

(() => {
  const CORNERS = 60, NEAR = 14, MANY = 4000; // corners of a lasso that go into the address; pixels within which a point is pointed at; points, beyond which they are pixels
  const LANGUAGE = document.documentElement.lang || "en";
  let map = null;

  // Two counts in one sentence: each has its own plural.
  function said(learnwares, islands) {
    const parts = {
      learnwares: interpolate(ngettext("%(n)s learnware", "%(n)s learnwares", learnwares), { n: learnwares.toLocaleString(LANGUAGE) }, true),
      islands: interpolate(ngettext("%(n)s island", "%(n)s islands", islands), { n: islands.toLocaleString(LANGUAGE) }, true),
    };
    return interpolate(gettext("%(learnwares)s on %(islands)s"), parts, true);
  }

  class CatalogMap {
    constructor(root, says) {
      this.root = root;
      this.canvas = root.querySelector("canvas");
      this.pen = this.canvas.getContext("2d");
      this.card = root.querySelector(".map-card");
      this.note = root.querySelector(".map-note");
      this.view = null;
      this.path = null;
      this.isLassoing = false;
      this.listen();
      this.follow(says);
    }

    // --- data
    async follow(says) {
      this.says = says;
      this.lasso = (says.dataset.lasso || "").split(";").filter(Boolean).map((corner) => corner.split(",").map(Number));
      if (says.dataset.src !== this.src) {
        this.src = says.dataset.src;
        try {
          const answer = await fetch(this.src, { headers: { Accept: "application/json" } });
          if (!answer.ok) throw new Error(answer.status);
          this.take(await answer.json());
        } catch {
          this.note.textContent = gettext("The map could not be fetched. The islands below lead to the same learnwares.");
          this.src = "";
          return;
        }
      }
      this.choose();
      this.draw();
    }

    take(found) {
      const n = found.x.length;
      this.x = new Float32Array(n); this.y = new Float32Array(n); this.r = new Float32Array(n); this.task = new Uint8Array(n);
      for (let i = 0; i < n; i += 1) {
        this.x[i] = found.x[i] / found.unit; this.y[i] = found.y[i] / found.unit;
        this.r[i] = 1 + Math.min(2.5, Math.log2(1 + found.uses[i]) / 2);
        this.task[i] = { classification: 1, regression: 2 }[found.tasks[found.task[i]]] || 3;
      }
      this.islands = found.islands;
      this.shown = -1;
      if (!this.view) this.fit();
    }

    choose() {
      const n = this.x.length;
      this.chosen = null;
      let many = n;
      if (this.lasso.length > 2) {
        this.chosen = new Uint8Array(n);
        many = 0;
        for (let i = 0; i < n; i += 1) if (inside(this.x[i], this.y[i], this.lasso)) { this.chosen[i] = 1; many += 1; }
      }
      this.note.textContent = this.chosen ? interpolate(gettext("%(many)s of %(n)s inside the lasso"), { many: many.toLocaleString(LANGUAGE), n: n.toLocaleString(LANGUAGE) }, true) : said(n, this.islands.length);
    }

    // --- view: x = ox + k * map x, y = oy - k * map y
    fit() {
      const box = this.canvas.getBoundingClientRect();
      let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
      for (const i of this.islands) { left = Math.min(left, i.x - i.radius); right = Math.max(right, i.x + i.radius); low = Math.min(low, i.y - i.radius); high = Math.max(high, i.y + i.radius); }
      if (!Number.isFinite(left)) [left, right, low, high] = [0, 1, 0, 1];
      const top = 44, k = 0.94 * Math.min(box.width / (right - left || 1), (box.height - 2 * top) / (high - low || 1)); // room for the tools above, the note below
      this.view = { k, ox: box.width / 2 - k * (left + right) / 2, oy: box.height / 2 + k * (low + high) / 2, least: k / 2, most: k * 400 };
    }

    zoom(factor, px, py) {
      const v = this.view, k = Math.min(v.most, Math.max(v.least, v.k * factor)), f = k / v.k;
      v.ox = px - (px - v.ox) * f; v.oy = py - (py - v.oy) * f; v.k = k;
      this.draw();
    }

    move(dx, dy) { this.view.ox += dx; this.view.oy += dy; this.draw(); }
    toMap(px, py) { return [(px - this.view.ox) / this.view.k, (this.view.oy - py) / this.view.k]; }

    // --- drawing: once a frame at most
    draw() {
      if (this.waits) return;
      this.waits = true;
      requestAnimationFrame(() => { this.waits = false; this.paint(); });
    }

    paint() {
      if (!this.x) return;
      const box = this.canvas.getBoundingClientRect(), dots = window.devicePixelRatio || 1, pen = this.pen, { k, ox, oy } = this.view;
      if (!box.width) return;
      const width = Math.round(box.width * dots), height = Math.round(box.height * dots);
      if (this.canvas.width !== width || this.canvas.height !== height) { this.canvas.width = width; this.canvas.height = height; }
      pen.setTransform(dots, 0, 0, dots, 0, 0);
      pen.clearRect(0, 0, box.width, box.height);
      const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
      pen.lineWidth = 1; pen.fillStyle = colour("--m-island"); pen.strokeStyle = colour("--m-shore");
      for (const i of this.islands) { pen.beginPath(); pen.arc(ox + k * i.x, oy - k * i.y, k * i.radius, 0, 7); pen.fill(); pen.stroke(); }
      this.points(box, [0, 1, 2, 3].map((i) => i && colour(`--m-task-${i}`)));
      this.names(colour("--bs-body-color"), colour("--m-island"));
      if (this.shown >= 0) { pen.beginPath(); pen.arc(ox + k * this.x[this.shown], oy - k * this.y[this.shown], 9, 0, 7); pen.strokeStyle = colour("--m-signal"); pen.lineWidth = 2.5; pen.stroke(); }
      const line = this.path || this.lasso;
      if (line.length > 1) {
        pen.beginPath();
        line.forEach(([x, y], i) => pen[i ? "lineTo" : "moveTo"](ox + k * x, oy - k * y));
        if (!this.path) pen.closePath();
        pen.strokeStyle = colour("--m-signal"); pen.lineWidth = 2; pen.stroke();
      }
    }

    points(box, colours) {
      if (this.x.length > MANY) { this.specks(colours); return; }
      const pen = this.pen, { k, ox, oy } = this.view, base = Math.max(2.6, Math.min(6, 1.6 * Math.sqrt(k / this.view.least / 2)));
      for (let i = 0; i < this.x.length; i += 1) {
        const px = ox + k * this.x[i], py = oy - k * this.y[i], r = base * this.r[i];
        if (px < -r || py < -r || px > box.width + r || py > box.height + r) continue;
        pen.globalAlpha = !this.chosen || this.chosen[i] ? 0.8 : 0.18;
        pen.fillStyle = colours[this.task[i]];
        pen.beginPath(); pen.arc(px, py, r, 0, 7); pen.fill();
      }
      pen.globalAlpha = 1;
    }

    // A hundred thousand are written as pixels, in a few milliseconds; what a lasso left out is faint and lies beneath.
    specks(colours) {
      const { width, height } = this.canvas, dots = window.devicePixelRatio || 1, { k, ox, oy } = this.view;
      if (!this.layer || this.layer.width !== width || this.layer.height !== height) {
        this.layer = document.createElement("canvas");
        this.layer.width = width; this.layer.height = height;
        this.sheet = this.layer.getContext("2d").createImageData(width, height);
        this.pixels = new Uint32Array(this.sheet.data.buffer);
      }
      const ink = colours.map((colour) => { const hex = parseInt(String(colour).slice(1), 16) || 0; return ((hex & 255) << 16) | (hex & 65280) | (hex >> 16); });
      const base = 1.2 * dots * Math.min(8, Math.sqrt(k / this.view.least / 2)), pixels = this.pixels;
      pixels.fill(0);
      for (const pass of this.chosen ? [0, 1] : [1]) {
        const alpha = (pass ? 215 : 46) << 24;
        for (let i = 0; i < this.x.length; i += 1) {
          if (this.chosen && this.chosen[i] !== pass) continue;
          const side = Math.max(1, Math.round(base * this.r[i] - 0.7)), left = Math.round(dots * (ox + k * this.x[i]) - side / 2), top = Math.round(dots * (oy - k * this.y[i]) - side / 2);
          if (left < 0 || top < 0 || left + side > width || top + side > height) continue;
          const value = ink[this.task[i]] | alpha;
          for (let y = top; y < top + side; y += 1) for (let at = y * width + left, end = at + side; at < end; at += 1) pixels[at] = value;
        }
      }
      this.layer.getContext("2d").putImageData(this.sheet, 0, 0);
      this.pen.drawImage(this.layer, 0, 0, width / dots, height / dots);
    }

    names(ink, halo) {
      // Largest first; a name that would lie on another waits until one is closer.
      const pen = this.pen, { k, ox, oy } = this.view, taken = [];
      pen.font = "600 13px system-ui, sans-serif"; pen.textAlign = "center"; pen.lineJoin = "round"; pen.lineWidth = 4; pen.strokeStyle = halo; pen.fillStyle = ink;
      for (const i of [...this.islands].sort((a, b) => b.radius - a.radius || b.n - a.n)) {
        if (this.islands.length > 30 && k * i.radius < 26) continue; // named when one is closer
        const whole = `${i.name} · ${i.n.toLocaleString(LANGUAGE)}`, room = Math.max(90, 2.4 * k * i.radius);
        let text = pen.measureText(whole).width <= room ? whole : i.name; // the list beside the map has every number
        if (pen.measureText(text).width > room) {
          while (text.length > 4 && pen.measureText(`${text}…`).width > room) text = text.slice(0, -1);
          text = `${text.trimEnd()}…`;
        }
        const w = pen.measureText(text).width + 8, x = ox + k * i.x, y = oy - k * (i.y + i.radius) + 15;
        const here = [x - w / 2, y - 14, x + w / 2, y + 6];
        if (taken.some((t) => here[0] < t[2] && here[2] > t[0] && here[1] < t[3] && here[3] > t[1])) continue;
        taken.push(here);
        pen.strokeText(text, x, y); pen.fillText(text, x, y);
      }
    }

    // --- hands
    listen() {
      const canvas = this.canvas, fingers = new Map();
      let last = null, moved = 0;
      const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
      canvas.addEventListener("wheel", (event) => { if (!this.view) return; event.preventDefault(); this.zoom(Math.exp(-event.deltaY * 0.0015), ...at(event)); }, { passive: false });
      canvas.addEventListener("pointerdown", (event) => {
        if (!this.view) return;
        canvas.setPointerCapture(event.pointerId);
        fingers.set(event.pointerId, at(event));
        last = at(event); moved = 0;
        this.hide();
        if (this.isLassoing || event.shiftKey) this.path = [this.toMap(...last)];
        else canvas.classList.add("dragging");
      });
      canvas.addEventListener("pointermove", (event) => {
        if (!this.view) return;
        const here = at(event);
        if (!fingers.has(event.pointerId)) { this.point(here); return; }
        if (fingers.size === 2) {
          const [a, b] = [...fingers.values()], before = Math.hypot(a[0] - b[0], a[1] - b[1]);
          fingers.set(event.pointerId, here);
          const [c, d] = [...fingers.values()];
          this.path = null; moved = 99;
          this.zoom(Math.hypot(c[0] - d[0], c[1] - d[1]) / (before || 1), (c[0] + d[0]) / 2, (c[1] + d[1]) / 2);
          return;
        }
        fingers.set(event.pointerId, here);
        moved += Math.hypot(here[0] - last[0], here[1] - last[1]);
        if (this.path) { this.path.push(this.toMap(...here)); this.draw(); } else this.move(here[0] - last[0], here[1] - last[1]);
        last = here;
      });
      const up = (event) => {
        if (!fingers.delete(event.pointerId)) return;
        canvas.classList.remove("dragging");
        const path = this.path;
        this.path = null;
        if (path) { if (moved > 12) this.select(path); else this.draw(); } else if (moved < 4 && event.type === "pointerup") this.open(at(event));
      };
      canvas.addEventListener("pointerup", up);
      canvas.addEventListener("pointercancel", up);
      canvas.addEventListener("pointerleave", () => this.hide());
      canvas.addEventListener("keydown", (event) => {
        if (!this.view) return;
        const box = canvas.getBoundingClientRect(), step = 60;
        const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
        if (moves[event.key]) this.move(...moves[event.key]);
        else if (event.key === "+" || event.key === "=") this.zoom(1.4, box.width / 2, box.height / 2);
        else if (event.key === "-") this.zoom(1 / 1.4, box.width / 2, box.height / 2);
        else if (event.key === "0") { this.fit(); this.draw(); } else if (event.key === "Escape" && this.isLassoing) this.arm(false);
        else return;
        event.preventDefault();
      });
      this.root.addEventListener("click", (event) => {
        const tool = event.target.closest("[data-map]"), box = canvas.getBoundingClientRect();
        if (!tool || !this.view) return;
        if (tool.dataset.map === "in") this.zoom(1.6, box.width / 2, box.height / 2);
        if (tool.dataset.map === "out") this.zoom(1 / 1.6, box.width / 2, box.height / 2);
        if (tool.dataset.map === "fit") { this.fit(); this.draw(); }
        if (tool.dataset.map === "lasso") this.arm(!this.isLassoing);
      });
      new ResizeObserver(() => this.draw()).observe(canvas);
      new MutationObserver(() => this.draw()).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
    }

    arm(on) {
      this.isLassoing = on;
      this.root.querySelector("[data-map=lasso]").setAttribute("aria-pressed", String(on));
      this.canvas.classList.toggle("lassoing", on);
      if (on) this.note.textContent = gettext("Draw around what you want to keep.");
      else if (this.x) this.choose();
    }

    select(path) {
      const every = Math.max(1, Math.ceil(path.length / CORNERS));
      const text = path.filter((_, i) => i % every === 0).map(([x, y]) => `${x.toFixed(4)},${y.toFixed(4)}`);
      this.arm(false);
      if (text.length < 3) { this.draw(); return; }
      this.lasso = text.map((corner) => corner.split(",").map(Number));
      this.choose();
      this.draw();
      const address = new URL(location.href);
      address.searchParams.delete("page");
      address.searchParams.delete("lasso");
      address.searchParams.set("view", "map");
      const to = `${this.says.dataset.page}?${address.searchParams}&lasso=${text.join(";")}`;
      if (window.htmx) {
        history.pushState({ htmx: true }, "", to);
        window.htmx.ajax("GET", to, { source: "#found", target: "#found", select: "#found", swap: "outerHTML show:none" });
      } else location.href = to;
    }

    // --- pointing
    nearest([px, py]) {
      const { k, ox, oy } = this.view;
      let best = NEAR * NEAR, found = -1;
      for (let i = 0; i < this.x.length; i += 1) {
        const dx = ox + k * this.x[i] - px, dy = oy - k * this.y[i] - py, d = dx * dx + dy * dy;
        if (d <= best) { best = d; found = i; }
      }
      return found;
    }

    point(here) {
      const found = this.x ? this.nearest(here) : -1;
      if (found === this.shown) return;
      this.shown = found;
      clearTimeout(this.later);
      this.card.hidden = true;
      this.draw();
      if (found >= 0) this.later = setTimeout(() => this.tell(found), 90);
    }

    async tell(i) {
      const html = await this.ask(i);
      if (this.shown !== i || html === null) return;
      this.card.innerHTML = html; // stands in a corner: a style of its own would be an inline one, which the policy of the site forbids
      this.card.hidden = false;
    }

    async ask(i) {
      const near = this.says.dataset.near;
      try {
        const answer = await fetch(`${near}${near.includes("?") && !near.endsWith("?") ? "&" : near.includes("?") ? "" : "?"}x=${this.x[i].toFixed(6)}&y=${this.y[i].toFixed(6)}`);
        return answer.ok ? await answer.text() : null;
      } catch { return null; }
    }

    async open(here) {
      const found = this.nearest(here);
      const html = found < 0 ? null : await this.ask(found);
      if (!html) return;
      const link = new DOMParser().parseFromString(html, "text/html").querySelector("[data-open]");
      if (link) location.href = link.getAttribute("href");
    }

    hide() { this.shown = -1; clearTimeout(this.later); this.card.hidden = true; this.draw(); }
  }

  function inside(x, y, polygon) {
    let odd = false;
    for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i, i += 1) {
      const [x1, y1] = polygon[i], [x2, y2] = polygon[j];
      if ((y1 > y) !== (y2 > y) && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) odd = !odd;
    }
    return odd;
  }

  function begin() {
    const root = document.getElementById("map"), says = document.getElementById("map-says");
    if (!root || !says) { map = null; return; }
    if (map && map.root === root) map.follow(says);
    else map = new CatalogMap(root, says);
  }
  document.addEventListener("DOMContentLoaded", begin);
  document.addEventListener("htmx:afterSettle", begin);
  document.addEventListener("htmx:historyRestore", begin);
})();
