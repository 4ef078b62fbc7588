"""Pictures of a match: mine against theirs, column by column. SVG without script or style; colours come from the style sheet."""

from typing import Any

import numpy as np
from django.utils.html import format_html
from django.utils.safestring import SafeString

WIDTH, HEIGHT, STEPS = 160, 44, 40


def column_values(column: Any, where: slice, rkme: Any) -> tuple[np.ndarray, np.ndarray]:
    """A numeric column's raw values at a specification's points, and their weights (sum 1); what stands for missing cells is left out."""
    Z, w = rkme.points[:, where].astype(np.float64), rkme.distribution
    if column.missing:
        w = w * np.clip(1.0 - Z[:, 1], 0.0, 1.0)
        w = w / max(w.sum(), 1e-12)
    return Z[:, 0] * column.scale + column.location, w


def overlaid(mine: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray] | None, words: str) -> dict[str, Any]:
    """{"svg", "low", "high"}: the density of my values (filled) and of theirs (a line) on one scale; each is (values, weights)."""
    clouds = [cloud for cloud in (mine, theirs) if cloud is not None]
    ends = np.array([_quantiles(values, w, (0.005, 0.995)) for values, w in clouds])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    pad = 0.06 * (high - low) or max(abs(high) * 0.05, 0.5)
    grid = np.linspace(low - pad, high + pad, STEPS)
    curves = [_density(values, w, grid) for values, w in clouds]
    top = max(float(curve.max()) for curve in curves) or 1.0
    xs = np.linspace(0, WIDTH, STEPS)
    paths = ["L".join(f"{x:.0f} {HEIGHT - 1 - (HEIGHT - 5) * y / top:.1f}" for x, y in zip(xs, curve, strict=True)) for curve in curves]
    other = format_html('<path class="line-two" d="M{}" fill="none"/>', paths[1]) if theirs is not None else ""
    svg = format_html(
        '<svg class="plot overlaid" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<path class="soft-one" d="M0 {}L{}L{} {}Z"/>{}<path class="axis" d="M0 {}H{}"/></svg>',
        WIDTH, HEIGHT, words, HEIGHT - 1, paths[0], WIDTH, HEIGHT - 1, other, HEIGHT - 1, WIDTH,
    )  # fmt: skip
    return {"svg": svg, "low": low, "high": high}


def pair(mine: float, theirs: float | None = None) -> SafeString:
    """Two thin bars, mine above theirs, each filling its share of the width; one bar where there are no others."""
    first, second = (100 * min(max(float(share or 0.0), 0.0), 1.0) for share in (mine, theirs))
    below = format_html('<rect class="bar-back" y="10" width="100" height="6" rx="1"/><rect class="bar-two" y="10" width="{}" height="6" rx="1"/>', f"{second:.1f}")
    return format_html(
        '<svg class="plot pair" viewBox="0 0 100 18" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="bar-back" y="2" width="100" height="6" rx="1"/><rect class="bar" y="2" width="{}" height="6" rx="1"/>{}</svg>',
        f"{first:.1f}", "" if theirs is None else below,
    )  # fmt: skip


def _density(values: np.ndarray, w: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """A weighted kernel density on the grid, its width by Silverman's rule on as many rows as the weights are worth."""
    mean = float(w @ values)
    spread = float(np.sqrt(w @ (values - mean) ** 2))
    quarter = _quantiles(values, w, (0.25, 0.75))
    spread = min(spread, (quarter[1] - quarter[0]) / 1.34) or spread
    worth = 1.0 / max(float((w**2).sum()), 1e-12)
    width = max(0.9 * spread * worth**-0.2, (grid[-1] - grid[0]) / STEPS)
    return np.exp(-0.5 * ((grid[:, None] - values[None, :]) / width) ** 2) @ w / width


def _quantiles(values: np.ndarray, w: np.ndarray, at: tuple[float, ...]) -> np.ndarray:
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(w[order]) - 0.5 * w[order]
    return np.interp(at, mass / max(w.sum(), 1e-12), values[order])
