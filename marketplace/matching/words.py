"""Numbers of a match, said in words. Pure functions; the page and the API show the same sentences."""

from math import sqrt
from typing import Any

from specs.scores import Score

VERDICTS = {
    "indistinguishable": "the same data, as far as one can tell",
    "close": "close",
    "partly": "fits in part",
    "far": "far",
}


def verdict(score: Score) -> str:
    """The sentence of a score's verdict.

    *indistinguishable* stands for: not farther than sampling explains. The others compare the distance, sampling taken off, with that of two clouds that
    share nothing: they mean the same whoever else is in the list.
    """
    said = f"{_percent(score.share)} of the distance between data that share nothing."
    if score.verdict == "indistinguishable":
        return "No farther than two samples of the same data would be."
    if score.verdict == "close":
        return f"Close: {said}"
    if score.verdict == "far":
        return f"Far: {said}"
    if score.share > 0.05:
        return f"Partly alike: {said}"
    if score.p_value >= 0.01:
        return "Too few rows to tell it from the same data, or from other data."
    return "Alike on the whole, but it has seen only a part of your data."


def mmd(squared: float) -> float:
    return sqrt(max(squared, 0.0))


def coverage_sentence(coverage: float) -> str:
    return f"{_percent(coverage)} of your data lies where this model has seen data."


def chance_sentence(p_value: float) -> str:
    """The p-value in words."""
    if p_value < 1e-4:
        return "Two samples of the same data practically never stand so far apart."
    return f"Of two samples of the same data, {_percent(p_value)} stand at least so far apart."


def gap_sentence(squared_mmd: float, gap: float) -> str:
    """What no mixture can reach, by the duality gap."""
    least = max(0.0, squared_mmd - gap)
    if least >= 0.98 * squared_mmd:
        return "It is the best there is: no mixture of what is here, however large, comes closer."
    if least <= 0.01 * squared_mmd:
        return "A larger mixture of what is here might come closer still."
    return f"No mixture of what is here, however large, comes below a squared MMD of {least:.2g}."


def labels_sentence(distance: float) -> str:
    """What the labels of both sides say; `distance` as specs.labels gives it."""
    if distance == float("inf"):
        return "Its specification carries no labels to compare with yours."
    return f"Its labels stand {sqrt(distance):.2g} from yours (0: the same concept)."


def columns_sentence(columns: list[dict]) -> str:
    """Which columns carry the difference, in one sentence; columns come largest first."""
    total = sum(column["squared_mmd"] for column in columns)
    if total <= 0 or columns[0]["squared_mmd"] < 1e-4:
        return "No single column stands out."
    heavy = [c for c in columns[:3] if c["squared_mmd"] >= 0.2 * columns[0]["squared_mmd"]]
    part = sum(c["squared_mmd"] for c in heavy) / total
    return f"Differs most in {_and([c['column'] for c in heavy])} ({_percent(part)} of what single columns show)."


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


def cannot_join(version: Any, member: Any) -> str:
    """Why a learnware can not stand in one mixture with another; empty where it can."""
    if version.format == "predictor":
        return "It is a predictor, which holds models already."
    asked, given = (f"{v.task} of {v.target}" for v in (member, version))
    if asked != given:
        return f"It answers another question ({given}) than the mixture ({asked})."
    if version.output.get("unit") != member.output.get("unit"):
        return f"It answers in {version.output.get('unit') or 'no unit'}, the mixture in {member.output.get('unit') or 'no unit'}."
    return ""


def bare_regions(names: list[str], share: float) -> str:
    """What no model has seen; empty where there is no such region."""
    if not names:
        return ""
    shown = "; ".join(f"“{name}”" for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"Nobody here has seen much of {_percent(share)} of your data: {shown}."


def left_out_sentence(count: int) -> str:
    return f"{count} model{'' if count == 1 else 's'} that you may not see {'is' if count == 1 else 'are'} left out."


def _percent(share: float) -> str:
    if 0 < share < 0.01:
        return "under 1 %"
    return f"{100 * share:.0f} %"


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
