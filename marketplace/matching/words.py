"""Numbers of a match, said in words. Pure functions; the page and the API show the same sentences."""

from math import sqrt

from marketplace.matching.chance import chance, noise
from specs import Rkme

COVERED = 0.8
SAME = 0.01  # of two samples of the same data, so few stand farther apart


def verdict(squared_mmd: float, a: Rkme, b: Rkme, coverage: float = 1.0) -> tuple[str, str]:
    """(word, sentence). Words: same, close, partly, far.

    *same* stands for: not farther than sampling explains. The others compare the distance, sampling taken off, with
    that of two clouds that share nothing, |mu_a|² + |mu_b|²: they mean the same whoever else is in the list. Whatever the
    distance, nothing is *close* that has not seen most of the requirement's data.
    """
    if chance(squared_mmd, a, b) >= SAME:
        return "same", "No farther than two samples of the same data would be."
    apart = max(a.squared_norm + b.squared_norm, 1e-12)
    share = min(max(squared_mmd - noise(a, b), 0.0) / apart, 1.0)
    said = f"{_percent(share)} of the distance between data that share nothing."
    if share <= 0.05 and coverage >= COVERED:
        return "close", f"Close: {said}"
    if share <= 0.05:
        return "partly", "Alike on the whole, but it has seen only a part of your data."
    if share <= 0.25:
        return "partly", f"Partly alike: {said}"
    return "far", f"Far: {said}"


def mmd(squared: float) -> float:
    return sqrt(max(squared, 0.0))


def coverage_sentence(coverage: float) -> str:
    return f"{_percent(coverage)} of your data lies where this model has seen data."


def columns_sentence(columns: list[dict]) -> str:
    """Which columns carry the difference, in one sentence; columns come largest first."""
    total = sum(column["squared_mmd"] for column in columns)
    if total <= 0 or columns[0]["squared_mmd"] < 1e-4:
        return "No single column stands out."
    heavy = [c["column"] for c in columns[:3] if c["squared_mmd"] >= 0.2 * columns[0]["squared_mmd"]]
    return f"Differs most in {_and(heavy)}."


def mixture_sentence(members: int, squared_mmd: float, single: float, coverage: float) -> str:
    """How much the mixture helps beside the best single learnware."""
    if members == 0:
        return "No mixture could be made."
    if members == 1:
        return "One learnware alone is the best mixture: no other brings it closer to your data."
    times = single / squared_mmd if squared_mmd > 0 else float("inf")
    nearer = f"{times:.1f} times" if times < 100 else "over 100 times"
    return (
        f"{members} learnwares together are {nearer} closer to your data than the best single one "
        f"(squared MMD {squared_mmd:.2g} against {single:.2g}) and cover {_percent(coverage)} of it."
    )


def _percent(share: float) -> str:
    if 0 < share < 0.01:
        return "under 1 %"
    return f"{100 * share:.0f} %"


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
