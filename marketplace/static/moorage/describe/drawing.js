// Pictures as SVG, element by element: no markup from text, no inline style. Colours come from the style sheets.
import { gettext, interpolate } from "../words.js";

const WIDTH = 640, HEIGHT = 400, EDGE = 30;

export function element(name, attributes = {}, ...children) {
  const made = name.startsWith("svg:") ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4)) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  made.append(...children);
  return made;
}

export function bars(values, words, kind = "bar") {
  const most = Math.max(...values, 1e-12), step = 96 / values.length;
  const d = values.map((value, i) => (value > 0 ? `M${(i * step).toFixed(2)} 24h${(step * 0.82).toFixed(2)}V${(24 - Math.max(1, 22 * value / most)).toFixed(1)}h-${(step * 0.82).toFixed(2)}Z` : "")).join("");
  return element("svg:svg", { class: "plot describe-bars", viewBox: "0 0 96 25", preserveAspectRatio: "none", role: "img", "aria-label": words },
    element("svg:path", { class: "describe-base", d: "M0 24.5H96" }), element("svg:path", { class: kind, d }));
}

export function meter(share, kind) {
  return element("svg:svg", { class: "plot strip-bar", viewBox: "0 0 100 14", preserveAspectRatio: "none", "aria-hidden": "true" },
    element("svg:rect", { class: "bar-back", y: 2, width: 100, height: 10, rx: 2 }), element("svg:rect", { class: kind, y: 2, width: Math.max(0.6, 100 * Math.min(1, share)).toFixed(2), height: 10, rx: 2 }));
}

// Rows as dots, points as circles whose area is their weight, over the data's two widest directions.
export function cloud({ rows, points, axes }, weights) {
  // A few rows far out must not squeeze all others: the frame holds 99 of 100, and every point.
  const ends = [0, 1].map((axis) => {
    const sorted = rows.map((at) => at[axis]).sort((a, b) => a - b), cut = Math.floor(0.005 * sorted.length), own = points.map((at) => at[axis]);
    return [Math.min(sorted[cut], ...own), Math.max(sorted[sorted.length - 1 - cut], ...own)];
  });
  const place = (at) => [0, 1].map((axis) => {
    const [low, high] = ends[axis], share = high > low ? (at[axis] - low) / (high - low) : 0.5;
    return axis === 0 ? EDGE + 14 + share * (WIDTH - EDGE - 34) : HEIGHT - EDGE - 14 - share * (HEIGHT - EDGE - 34);
  });
  const inside = ([x, y]) => x > EDGE && x < WIDTH && y > 0 && y < HEIGHT - EDGE;
  const dots = rows.map(place).filter(inside).map(([x, y]) => `M${x.toFixed(1)} ${y.toFixed(1)}h0`).join("");
  const largest = Math.max(...weights), crowd = points.length <= 60 ? 1 : Math.max(0.4, Math.sqrt(60 / points.length));
  const order = [...weights.keys()].sort((a, b) => weights[b] - weights[a]);
  const circles = order.map((k) => { const [x, y] = place(points[k]); return element("svg:circle", { class: "one", cx: x.toFixed(1), cy: y.toFixed(1), r: Math.max(1.6, 13 * Math.sqrt(weights[k] / largest) * crowd).toFixed(1) }); });
  const said = (axis) => {
    if (!axes[axis]) return [];
    const [first, second] = axes[axis].names.map((name) => short(name, axis ? 14 : 18));
    const share = axis ? gettext("Second, %(share)s %") : gettext("First principal component, %(share)s % of the spread");
    const mostly = second === undefined ? gettext("mostly %(first)s") : gettext("mostly %(first)s and %(second)s");
    // Apart, so that a narrow window may leave it out: there the drawing shrinks and its words do not.
    return [interpolate(share, { share: Math.round(100 * axes[axis].share) }), element("svg:tspan", { class: "mostly" }, ` (${interpolate(mostly, { first, second })})`)];
  };
  return element("svg:svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": interpolate(gettext("%(points)s points over your rows, in the two widest directions of your data"), { points: points.length }) },
    element("svg:path", { class: "axis", d: `M${EDGE} 8V${HEIGHT - EDGE}H${WIDTH - 4}`, fill: "none" }),
    element("svg:path", { class: "describe-rows", d: dots }), ...circles,
    element("svg:text", { x: (WIDTH + EDGE) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, ...said(0)),
    element("svg:text", { transform: `translate(15 ${(HEIGHT - EDGE) / 2}) rotate(-90)`, "text-anchor": "middle" }, ...said(1)));
}

const short = (name, most) => (name.length <= most ? name : `${name.slice(0, most - 1)}…`);
