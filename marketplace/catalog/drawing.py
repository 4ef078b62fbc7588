"""Pictures of the catalog, drawn on the server as SVG: classes carry the colours of both themes (marketplace/plots.py)."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import ngettext

WIDTH, HEIGHT, MARGIN = 640, 300, 14
DOTS, LABELS = 900, 8  # of a thumbnail


def thumbnail(islands: list[dict[str, Any]], points: dict[str, Any]) -> SafeString:
    """The map small: islands, some hundred of their learnwares, the names of the largest. Nothing where there is no map yet."""
    if not islands:
        return mark_safe("")
    left, right = (pick(sign * i["radius"] + i["x"] for i in islands) for pick, sign in ((min, -1), (max, 1)))
    low, high = (pick(sign * i["radius"] + i["y"] for i in islands) for pick, sign in ((min, -1), (max, 1)))
    k = min((WIDTH - 2 * MARGIN) / max(right - left, 1e-9), (HEIGHT - 2 * MARGIN) / max(high - low, 1e-9))
    across = lambda x: WIDTH / 2 + (x - (left + right) / 2) * k  # noqa: E731
    down = lambda y: HEIGHT / 2 - (y - (low + high) / 2) * k  # noqa: E731
    discs = _each('<circle class="island" cx="{}" cy="{}" r="{}"/>', ((across(i["x"]), down(i["y"]), i["radius"] * k) for i in islands))
    chosen = np.linspace(0, len(points["x"]) - 1, min(DOTS, len(points["x"]))).astype(int) if len(points["x"]) else []
    dots = format_html_join("", '<circle class="task-{}" cx="{}" cy="{}" r="{}"/>', (
        (hue(points["tasks"][points["task"][j]]), _px(across(points["x"][j])), _px(down(points["y"][j])), _px(2.2 + min(3.0, float(points["uses"][j]) ** 0.5)))
        for j in chosen
    ))  # fmt: skip
    names = format_html_join("", '<text class="on-map" x="{}" y="{}" text-anchor="middle">{}</text>', (
        (_px(across(i["x"])), _px(down(i["y"]) + i["radius"] * k - 5), _short(i["name"], i["radius"] * k)) for i in islands[:LABELS] if i["radius"] * k > 24
    ))  # fmt: skip
    words = ngettext("Map of the catalog: %(n)s island", "Map of the catalog: %(n)s islands", len(islands)) % {"n": len(islands)}
    return format_html('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>', WIDTH, HEIGHT, words, discs, dots, names)


def _each(shape: str, rows: Iterable[tuple[float, ...]]) -> SafeString:
    return format_html_join("", shape, (tuple(_px(value) for value in row) for row in rows))


def _px(value: float) -> str:
    return f"{value:.1f}"


def _short(name: str, radius: float) -> str:
    """As much of a name as an island of so many pixels can bear."""
    most = max(8, int(2.4 * radius / 6))
    return name if len(name) <= most else name[: most - 1].rstrip(" ,:") + "…"


def hue(task: str) -> int:
    """Which colour a task has on the map (explore.css, map.js)."""
    return {"classification": 1, "regression": 2}.get(task, 3)
