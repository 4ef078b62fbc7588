"""Plots drawn on the server as SVG: no script, no inline style; classes carry the colours of both themes."""

from typing import Any

import numpy as np
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

WIDTH, HEIGHT, EDGE = 640, 420, 34
# Of a _Frame, in which the words of a narrow window must have room: they are larger there, since the whole is drawn smaller.
PLOT_HEIGHT, PLOT_EDGE, PLOT_TOP, PLOT_FOOT = 290, 72, 32, 50


def cloud(space: Any, clouds: list[tuple[Any, str]], title: str) -> SafeString:
    """Weighted points over the two principal components of all of them; a circle's area is its weight.

    `clouds` is a list of (Rkme, class), class "one" or "two", all of `space`.
    """
    if not clouds or not sum(len(rkme.weights) for rkme, _ in clouds):
        return mark_safe("")
    X = np.concatenate([np.asarray(rkme.points, dtype=float) for rkme, _ in clouds])
    w = np.concatenate([_shares(rkme.weights) for rkme, _ in clouds])
    P, axes = _principal(X, w / w.sum(), _coordinate_names(space))
    low, high = P.min(axis=0), P.max(axis=0)
    span = np.where(high - low > 1e-12, high - low, 1.0)
    xs = EDGE + 14 + (P[:, 0] - low[0]) / span[0] * (WIDTH - 2 * EDGE - 28)
    ys = HEIGHT - EDGE - 14 - (P[:, 1] - low[1]) / span[1] * (HEIGHT - 2 * EDGE - 28)
    marks, start = [], 0
    largest = max(float(_shares(rkme.weights).max()) for rkme, _ in clouds)
    for rkme, kind in clouds:
        size = _shares(rkme.weights)
        for i in np.argsort(-size):
            r = max(1.6, 15.0 * float(np.sqrt(size[i] / largest)) * _crowding(len(size)))
            marks.append(f'<circle class="{kind}" cx="{xs[start + i]:.1f}" cy="{ys[start + i]:.1f}" r="{r:.1f}"/>')
        start += len(size)
    frame = "".join(
        f'<path class="grid" d="M{EDGE} {y:.0f}H{WIDTH - 8}"/>' for y in np.linspace(10, HEIGHT - EDGE, 5)[:-1]
    ) + "".join(f'<path class="grid" d="M{x:.0f} 10V{HEIGHT - EDGE}"/>' for x in np.linspace(EDGE, WIDTH - 8, 6)[1:])
    return format_html(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}'
        '<path class="axis" d="M{} 10V{}H{}" fill="none"/>{}'
        '<text x="{}" y="{}" text-anchor="middle">{}</text>'
        '<text transform="translate(16 {}) rotate(-90)" text-anchor="middle">{}</text></svg>',
        WIDTH, HEIGHT, title, mark_safe(frame),
        EDGE, HEIGHT - EDGE, WIDTH - 8, mark_safe("".join(marks)),
        (WIDTH + EDGE) // 2, HEIGHT - 10, axes[0],
        (HEIGHT - EDGE) // 2, axes[1],
    )  # fmt: skip


def ranges(space: Any, rkme: Any) -> list[dict]:
    """One row per column of what a specification holds: numeric spread or shares of levels, with a strip."""
    raw = space.decode(np.asarray(rkme.points, dtype=float))
    w = _shares(rkme.weights)
    rows = []
    for column in space.columns:
        values = np.asarray(raw[column.name])
        row = {"name": column.name, "type": column.type, "unit": column.unit or ""}
        if column.type == "numeric":
            row |= _numeric(values.astype(float), w, column)
        else:
            row["levels"] = _levels(values, w)
        rows.append(row)
    return rows


def strip(low: float, mid: float, high: float, scale: tuple[float, float], kind: str = "one") -> SafeString:
    """A line from low to high with a dot at mid, on the scale (left, right)."""
    left, right = scale
    span = right - left or 1.0
    a, m, b = (100 * min(max((v - left) / span, 0.0), 1.0) for v in (low, mid, high))
    return format_html(
        '<svg class="plot strip" viewBox="0 0 108 22" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="bar-back" x="4" y="10" width="100" height="2"/>'
        '<rect class="soft-{0}" x="{1}" y="6" width="{2}" height="10" rx="2"/>'
        '<rect class="dot-{0}" x="{3}" y="3" width="1.6" height="16"/></svg>',
        kind, f"{4 + a:.1f}", f"{max(b - a, 0.6):.1f}", f"{3.2 + m:.1f}",
    )  # fmt: skip


def bar(share: float, kind: str = "bar") -> SafeString:
    """A horizontal bar that fills `share` of its width."""
    filled = 100 * min(max(float(share), 0.0), 1.0)
    return format_html(
        '<svg class="plot strip-bar" viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="bar-back" y="2" width="100" height="10" rx="2"/>'
        '<rect class="{}" y="2" width="{}" height="10" rx="2"/></svg>',
        kind, f"{filled:.1f}",
    )  # fmt: skip


def leaderboard(rows: list[dict]) -> list[dict]:
    """The rows of an evidence's leaderboard, each with its score and interval drawn on one scale."""
    ends = [float(r[k]) for r in rows for k in ("low", "score", "high") if _finite(r.get(k))]
    if not ends:
        return [dict(row) for row in rows]
    left, right = min(ends), max(ends)
    margin = 0.06 * (right - left) or 1.0
    left, right = left - margin, right + margin
    return [dict(row, plot=_interval(row, left, right)) for row in rows]


def curve(found: dict | None, metric: str) -> SafeString:
    """The score at each value of a parameter that was swept, with its 95 % interval; the chosen value marked."""
    points = [p for p in (found or {}).get("points", []) if _finite(p.get("score"))]
    if len(points) < 2:
        return mark_safe("")
    xs, scores = [p["value"] for p in points], [p["score"] for p in points]
    lows, highs = ([p[k] if _finite(p.get(k)) else p["score"] for p in points] for k in ("low", "high"))
    frame = _Frame((min(xs), max(xs)), (min(lows), max(highs)), found["parameter"], metric)
    band = "M" + "L".join(frame.at(x, y) for x, y in [*zip(xs, highs, strict=True), *zip(xs[::-1], lows[::-1], strict=True)]) + "Z"
    chosen = scores[xs.index(found["chosen"])] if found["chosen"] in xs else None
    mark = "" if chosen is None else '<circle class="two" cx="{}" cy="{}" r="7"/>'.format(*frame.at(found["chosen"], chosen).split(" "))
    return frame.svg(f'<path class="soft-one" d="{band}"/><path class="line-one" d="M{"L".join(frame.at(x, y) for x, y in zip(xs, scores, strict=True))}"/>{mark}',
                     gettext("%(metric)s by %(parameter)s; chosen %(chosen)s") % {"metric": metric, "parameter": found["parameter"], "chosen": f"{found['chosen']:g}"})


def learning(rows: list[dict]) -> SafeString:
    """Loss by epoch, on the rows that are learned from and on those held out, of the method that learned last."""
    rows = [row for row in rows if row.get("method", "") == rows[-1].get("method", "") and _finite(row.get("train"))]
    if len(rows) < 2:
        return mark_safe("")
    lines = {kind: [(row["epoch"], row[key]) for row in rows if _finite(row.get(key))] for kind, key in (("one", "train"), ("two", "validation"))}
    every = [y for line in lines.values() for _, y in line]
    frame = _Frame((rows[0]["epoch"], rows[-1]["epoch"]), (min(every), max(every)), gettext("epoch"), gettext("loss"))
    drawn = "".join(f'<path class="line-{kind}" d="M{"L".join(frame.at(x, y) for x, y in line)}"/>' for kind, line in lines.items() if len(line) > 1)
    picture = frame.svg(drawn, gettext("Loss by epoch, from %(first)s to %(last)s") % {"first": f"{rows[0]['train']:.3g}", "last": f"{rows[-1]['train']:.3g}"})
    if len(lines["two"]) < 2:
        return picture
    keys = format_html_join("", '<li><svg viewBox="0 0 12 12" class="plot" aria-hidden="true"><circle cx="6" cy="6" r="5" class="dot-{}"/></svg>{}</li>',
                            (("one", gettext("rows learned from")), ("two", gettext("rows held out"))))
    return format_html('{}<ul class="legend">{}</ul>', picture, keys)


def residuals(pairs: list[list[float]], unit: str = "") -> SafeString:
    """Predicted against how far that was off, one circle a row, with the line of no error; empty for fewer than two points."""
    points = [(float(said), float(said) - float(actual)) for said, actual in pairs if _finite(said) and _finite(actual)]
    if len(points) < 2:
        return mark_safe("")
    xs, ys = [x for x, _ in points], [y for _, y in points]
    beside = f", {unit}" if unit else ""
    frame = _Frame((min(xs), max(xs)), (min(*ys, 0.0), max(*ys, 0.0)), gettext("predicted") + beside, gettext("predicted − actual") + beside)
    left, right = frame.at(frame.left, 0.0), frame.at(frame.left + frame.span, 0.0)
    marks = "".join('<circle class="one" cx="{}" cy="{}" r="3.5"/>'.format(*frame.at(x, y).split(" ")) for x, y in points)
    over = sum(y > 0 for y in ys)
    return frame.svg(f'<path class="line-two" d="M{left}L{right}"/>{marks}', gettext("Errors of %(rows)s rows by what was predicted: %(over)s too high, %(under)s too low") % {"rows": len(points), "over": over, "under": sum(y < 0 for y in ys)})


def reliability(bins: list[dict]) -> SafeString:
    """How often answers are right that are so sure: a bar for each bin, and the line on which both agree."""
    held = [row for row in bins if row.get("rows") and _finite(row.get("sure")) and _finite(row.get("right"))]
    if not held:
        return mark_safe("")
    frame = _Frame((0.0, 1.0), (0.0, 1.0), gettext("how sure the predictor is"), gettext("share that is right"))
    frame.low, frame.high = 0.0, 1.0  # shares have no margin
    most, drawn = max(row["rows"] for row in held), []
    for row in held:
        (x1, y1), (x2, y0) = (tuple(map(float, at.split(" "))) for at in (frame.at(row["from"], row["right"]), frame.at(row["to"], 0.0)))
        kind = "soft-one" if row["rows"] < max(5, most / 50) else "bar"
        drawn.append(f'<rect class="{kind}" x="{x1 + 2:.1f}" y="{y1:.1f}" width="{x2 - x1 - 4:.1f}" height="{max(y0 - y1, 0.8):.1f}"><title>{escape(_sure(row))}</title></rect>')
        drawn.append('<circle class="two" cx="{}" cy="{}" r="4"/>'.format(*frame.at(row["sure"], row["right"]).split(" ")))
    line = f'<path class="line-two" d="M{frame.at(0, 0)}L{frame.at(1, 1)}" stroke-dasharray="5 4"/>'
    said = "; ".join(_sure(row) for row in held)
    return frame.svg("".join(drawn) + line, said)


def _sure(row: dict) -> str:
    return gettext("sure %(sure)s: right %(right)s of %(rows)s rows") % {"sure": f"{row['sure']:.0%}", "right": f"{row['right']:.0%}", "rows": row["rows"]}


def lane(parts: list[tuple[float, str]], whole: float) -> SafeString:
    """Seconds of one member after another, (seconds, class) each, on a scale where `whole` seconds fill the bar."""
    at, drawn = 0.0, []
    for value, kind in parts:
        width = 100 * max(0.0, float(value)) / whole if whole > 0 else 0.0
        if width > 0:
            drawn.append(f'<rect class="{kind}" x="{at:.2f}" y="2" width="{max(width, 0.4):.2f}" height="10"/>')
        at += width
    return format_html(
        '<svg class="plot strip-bar" viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true"><rect class="bar-back" y="2" width="100" height="10" rx="2"/>{}</svg>',
        mark_safe("".join(drawn)),
    )


class _Frame:
    """Axes with a few round ticks, for lines over a plane."""

    def __init__(self, across: tuple[float, float], up: tuple[float, float], x: str, y: str) -> None:
        self.x, self.y = x, y
        (self.left, self.right), (low, high) = across, up
        margin = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
        self.low, self.high = low - margin, high + margin
        self.span = (self.right - self.left) or 1.0

    def at(self, x: float, y: float) -> str:
        return f"{PLOT_EDGE + (x - self.left) / self.span * (WIDTH - PLOT_EDGE - 12):.1f} {PLOT_HEIGHT - PLOT_FOOT - (y - self.low) / (self.high - self.low) * (PLOT_HEIGHT - PLOT_FOOT - PLOT_TOP):.1f}"

    def svg(self, drawn: str, words: str) -> SafeString:
        up = "".join(self._tick(self.left, value, "end", -8, 5) for value in _round_ticks(self.low, self.high, 4))
        across = "".join(self._tick(value, self.low, "middle", 0, 20) for value in _round_ticks(self.left, self.left + self.span, 6))
        return format_html(
            '<svg class="plot framed" viewBox="0 0 {} {}" role="img" aria-label="{}">{}<path class="axis" d="M{} {}V{}H{}" fill="none"/>{}'
            '<text x="{}" y="{}" text-anchor="middle">{}</text><text x="2" y="16">{}</text></svg>',
            WIDTH, PLOT_HEIGHT, words, mark_safe(up + across), PLOT_EDGE, PLOT_TOP, PLOT_HEIGHT - PLOT_FOOT, WIDTH - 12, mark_safe(drawn),
            (WIDTH + PLOT_EDGE) // 2, PLOT_HEIGHT - 6, self.x, self.y,
        )  # fmt: skip

    def _tick(self, x: float, y: float, anchor: str, dx: float, dy: float) -> str:
        left, top = (float(part) for part in self.at(x, y).split(" "))
        line = f'<path class="grid" d="M{PLOT_EDGE} {top:.1f}H{WIDTH - 12}"/>' if anchor == "end" else ""
        return f'{line}<text x="{left + dx:.1f}" y="{top + dy:.1f}" text-anchor="{anchor}">{_short(y if anchor == "end" else x)}</text>'


def _round_ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` + 1 multiples of 1, 2 or 5 times a power of ten that lie in [low, high]."""
    raw = (high - low) / most
    if not raw > 0:
        return [low]
    power = 10.0 ** np.floor(np.log10(raw))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    first = int(np.ceil(low / step - 1e-9))
    return [i * step for i in range(first, int(np.floor(high / step + 1e-9)) + 1)]


def _short(value: float) -> str:
    """A number for an axis: 0.25, 40, 120k, 3M."""
    if abs(value) >= 1e12:
        return f"{value:.2g}"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{value:.4g}" if abs(value) >= 1e-12 else "0"


def _interval(row: dict, left: float, right: float) -> SafeString:
    if not _finite(row.get("score")):
        return mark_safe("")
    at = lambda v: f"{200 * (float(v) - left) / (right - left):.1f}"  # noqa: E731
    low = row.get("low") if _finite(row.get("low")) else row["score"]
    high = row.get("high") if _finite(row.get("high")) else row["score"]
    kind = "two" if row.get("chosen") else "one"
    return format_html(
        '<svg class="plot strip" viewBox="0 0 200 22" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="grid" d="M0 11H200"/><path class="line-{0}" d="M{1} 11H{2}M{1} 6V16M{2} 6V16"/>'
        '<rect class="dot-{0}" x="{3}" y="4" width="4" height="14" rx="1"/></svg>',
        kind, at(low), at(high), f"{float(at(row['score'])) - 2:.1f}",
    )  # fmt: skip


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and np.isfinite(value)


def _shares(weights: Any) -> np.ndarray:
    w = np.clip(np.asarray(weights, dtype=float), 0.0, None)
    return w / w.sum() if w.sum() > 0 else np.full(len(w), 1.0 / max(len(w), 1))


def _crowding(n: int) -> float:
    return 1.0 if n <= 60 else max(0.45, (60 / n) ** 0.5)


def _coordinate_names(space: Any) -> list[str]:
    """The column behind each coordinate of the space."""
    names = [""] * space.d
    for name, where in space.coordinates():
        names[where] = [name] * len(names[where])
    return names


def _principal(X: np.ndarray, w: np.ndarray, names: list[str]) -> tuple[np.ndarray, list[str]]:
    """X (n, d) with weights (n,) on its two widest directions (n, 2), and a caption for each."""
    centred = X - w @ X
    _, S, V = np.linalg.svd(centred * np.sqrt(w)[:, None], full_matrices=False)
    total = float((S**2).sum()) or 1.0
    P = np.zeros((len(X), 2))
    captions = []
    for i in range(2):
        if i >= len(S) or S[i] ** 2 < 1e-12 * total:
            captions.append(gettext("no second direction: one varying coordinate"))
            continue
        direction = V[i] * np.sign(V[i][np.abs(V[i]).argmax()])
        P[:, i] = centred @ direction
        # The second stands upright beside a lower side: it is kept short.
        said = gettext("First principal component, %(share)s %% of the spread") if i == 0 else gettext("Second, %(share)s %%")
        captions.append(format_html("{}{}", said % {"share": f"{100 * S[i] ** 2 / total:.0f}"}, _mostly(direction, names, 18 if i == 0 else 14)))
    return P, captions


def _mostly(direction: np.ndarray, names: list[str], longest: int) -> str:
    """The two columns that a direction leans on most, where the space has few enough to name; a name has at most `longest` letters."""
    mass: dict[str, float] = {}
    for name, part in zip(names, direction**2, strict=True):
        mass[name] = mass.get(name, 0.0) + float(part)
    if len(mass) > 40:
        return ""
    top = [name if len(name) <= longest else name[: longest - 1] + "…" for name in sorted(mass, key=mass.get, reverse=True)[:2]]
    said = gettext("mostly %(first)s and %(second)s") if len(top) > 1 else gettext("mostly %(first)s")
    # Apart, so that a narrow window may leave it out: there the drawing shrinks and its words do not.
    return format_html('<tspan class="mostly"> ({})</tspan>', said % {"first": top[0], "second": top[-1]})


def _numeric(values: np.ndarray, w: np.ndarray, column: Any) -> dict:
    known = np.isfinite(values)
    if not known.any():
        return {"low": None, "mid": None, "high": None, "absent": 1.0, "strip": ""}
    low, mid, high = _quantiles(values[known], w[known], (0.05, 0.5, 0.95))
    location, scale = float(column.location or 0.0), float(column.scale or 1.0)
    frame = (min(location - 2.5 * scale, low), max(location + 2.5 * scale, high))
    return {
        "low": low, "mid": mid, "high": high, "absent": float(w[~known].sum()),
        "strip": strip(low, mid, high, frame),
    }  # fmt: skip


def _quantiles(values: np.ndarray, w: np.ndarray, at: tuple[float, ...]) -> list[float]:
    order = np.argsort(values)
    mass = np.cumsum(w[order])
    mass = (mass - 0.5 * w[order]) / (mass[-1] or 1.0)
    return [float(np.interp(q, mass, values[order])) for q in at]


def _levels(values: np.ndarray, w: np.ndarray, most: int = 6) -> list[dict]:
    shares: dict[str, float] = {}
    for value, weight in zip(values, w, strict=True):
        name = "missing" if value is None or value != value else str(value)
        shares[name] = shares.get(name, 0.0) + float(weight)
    top = sorted(shares.items(), key=lambda item: -item[1])
    rows = [{"level": name, "share": share, "bar": bar(share)} for name, share in top[:most]]
    rest = sum(share for _, share in top[most:])
    return rows + ([{"level": f"{len(top) - most} more", "share": rest, "bar": bar(rest)}] if rest else [])
