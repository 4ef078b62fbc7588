"""Pictures of a learnware's page, drawn as marketplace/plots.py draws: lineage as a graph, and weights as bars."""

from typing import Any

import numpy as np
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from marketplace.catalog.lineage import WORDS, Lineage

BOX_WIDTH, BOX_HEIGHT = 176, 58
ACROSS, DOWN, EDGE = 48, 16, 10  # between boxes
LETTERS = 23
BARS_WIDTH, BARS_HEIGHT = 640, 110
MOST_BARS = 320  # wider than a pixel each


def lineage(found: Lineage) -> SafeString:
    """Layers of boxes from left (older) to right, each a link; nothing where the version stands alone."""
    if not found.edges:
        return mark_safe("")
    tallest = max(len(layer) for layer in found.layers)
    width = 2 * EDGE + len(found.layers) * BOX_WIDTH + (len(found.layers) - 1) * ACROSS
    height = 2 * EDGE + tallest * BOX_HEIGHT + (tallest - 1) * DOWN
    places = {}
    for number, layer in enumerate(found.layers):
        top = (height - len(layer) * BOX_HEIGHT - (len(layer) - 1) * DOWN) / 2
        for row, version in enumerate(layer):
            places[version.pk] = (EDGE + number * (BOX_WIDTH + ACROSS), top + row * (BOX_HEIGHT + DOWN))
    lines = "".join(_line(places[edge.older], places[edge.newer], edge.kind) for edge in found.edges)
    boxes = "".join(
        _box(version, places[version.pk], here=number == found.here) for number, layer in enumerate(found.layers) for version in layer
    )
    words = gettext("Lineage of %(versions)s versions in %(generations)s generations, the oldest on the left; the list below says the same in words") % {
        "versions": len(found.versions), "generations": len(found.layers),
    }
    return format_html(
        '<svg class="plot lineage" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="group" aria-label="{2}">{3}{4}</svg>',
        width, f"{height:.0f}", words, mark_safe(lines), mark_safe(boxes),
    )  # fmt: skip


def _line(start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
    (x, y), (to_x, to_y) = start, end
    x, y, to_y = x + BOX_WIDTH, y + BOX_HEIGHT / 2, to_y + BOX_HEIGHT / 2
    bend = ACROSS / 2 if to_x > x else -ACROSS
    return (f'<path class="link link-{kind}" d="M{x:.0f} {y:.1f}C{x + bend:.0f} {y:.1f} {to_x - bend:.0f} {to_y:.1f} {to_x - 5:.0f} {to_y:.1f}"><title>{escape(WORDS[kind])}</title></path>'
            f'<path class="tip" d="M{to_x - 7:.0f} {to_y - 4:.1f}l7 4l-7 4z"/>')


def _box(version: Any, place: tuple[float, float], *, here: bool) -> str:
    x, y = place
    owner, name = version.learnware.owner.username, version.learnware.name
    said = f"{version.reference}, {version.licence}" + (f", {gettext('this version')}" if here else "")
    gone = f" · {escape(gettext('withdrawn'))}" if version.status == "withdrawn" else ""
    drawn = (
        f'<rect x="{x:.0f}" y="{y:.1f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"/>'
        f'<text class="name" x="{x + 12:.0f}" y="{y + 20:.1f}">{escape(_short(name))}</text>'
        f'<text x="{x + 12:.0f}" y="{y + 35:.1f}">{escape(_short(owner))} @{escape(version.number)}</text>'
        f'<text class="licence" x="{x + 12:.0f}" y="{y + 50:.1f}">{escape(version.licence)}{gone}</text>'
    )
    if here:
        return f'<g class="box here" aria-current="page" role="img" aria-label="{escape(said)}">{drawn}</g>'
    return f'<a class="box" href="{escape(version.get_absolute_url())}" aria-label="{escape(said)}">{drawn}</a>'


def weights(shares: np.ndarray) -> SafeString:
    """The weights of a specification's points, largest first, as bars of equal width. `shares` (K,) sum to 1."""
    ordered = np.sort(np.asarray(shares, dtype=float))[::-1]
    if len(ordered) > MOST_BARS:  # each bar the mean of its neighbours
        ordered = np.array([part.mean() for part in np.array_split(ordered, MOST_BARS)])
    if not len(ordered) or ordered[0] <= 0:
        return mark_safe("")
    step = (BARS_WIDTH - 2) / len(ordered)
    gap = min(1.5, 0.25 * step)
    bars = "".join(
        f'<rect class="bar" x="{1 + i * step:.2f}" y="{BARS_HEIGHT - 18 - h:.1f}" width="{step - gap:.2f}" height="{h:.1f}"/>'
        for i, h in enumerate((BARS_HEIGHT - 36) * ordered / ordered[0])
    )
    said = {"points": len(shares), "most": f"{100 * shares.max():.2g}", "least": f"{100 * shares.min():.2g}"}
    words = gettext("Weights of the %(points)s points, largest first: from %(most)s %% down to %(least)s %% of the data") % said
    return format_html(
        '<svg class="plot" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">'
        '<path class="axis" d="M0 {5}H{0}" fill="none"/>{6}<text x="1" y="12">{3} %</text>'
        '<text x="{0}" y="{7}" text-anchor="end">{4} %</text><text x="1" y="{7}">{8}</text></svg>',
        BARS_WIDTH, BARS_HEIGHT, words, said["most"], said["least"], BARS_HEIGHT - 18, mark_safe(bars), BARS_HEIGHT - 4, gettext("largest"),
    )  # fmt: skip


def _short(words: str) -> str:
    return words if len(words) <= LETTERS else words[: LETTERS - 1] + "…"
