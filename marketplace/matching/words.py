"""Numbers of a match, said in words, in the language that is active. A kept answer holds the English sentences, which the API gives; pages say them anew from its numbers."""

from math import sqrt
from typing import Any

from django.utils.translation import gettext, gettext_lazy, ngettext

from specs.scores import Score

VERDICTS = {
    "indistinguishable": gettext_lazy("the same data, as far as one can tell"),
    "close": gettext_lazy("close"),
    "partly": gettext_lazy("fits in part"),
    "far": gettext_lazy("far"),
}


def verdict(score: Score) -> str:
    """The sentence of a score's verdict.

    *indistinguishable* stands for: not farther than sampling explains. The others compare the distance, sampling taken off, with that of two clouds that
    share nothing: they mean the same whoever else is in the list.
    """
    return _verdict(score.verdict, score.share, score.p_value)


def _verdict(verdict: str, share: float, p_value: float) -> str:
    said = {"percent": _percent(share)}
    if verdict == "indistinguishable":
        return gettext("No farther than two samples of the same data would be.")
    if verdict == "close":
        return gettext("Close: %(percent)s of the distance between data that share nothing.") % said
    if verdict == "far":
        return gettext("Far: %(percent)s of the distance between data that share nothing.") % said
    if share > 0.05:
        return gettext("Partly alike: %(percent)s of the distance between data that share nothing.") % said
    if p_value >= 0.01:
        return gettext("Too few rows to tell it from the same data, or from other data.")
    return gettext("Alike on the whole, but it has seen only a part of your data.")


def of_single(row: dict) -> list[str]:
    """All sentences of a single match, from its numbers; those that were kept where an older answer lacks some."""
    if "share" not in row:
        return row.get("sentences") or []
    said = [_verdict(row["verdict"], row["share"], row["p_value"]), chance_sentence(row["p_value"]), coverage_sentence(row["coverage"])]
    if row["columns"] and row["verdict"] != "indistinguishable":
        said.append(columns_sentence(row["columns"]))
    if "label_distance" in row:  # None: its specification carries no labels
        said.append(labels_sentence(float("inf") if row["label_distance"] is None else row["label_distance"]))
    return said


def of_mixture(found: dict) -> list[str]:
    """All sentences of a mixture, from its numbers; those that were kept where an older answer lacks some."""
    if not found["members"]:
        return [gettext("No learnware is left to mix.")]
    if "nearest" not in found:
        return found.get("sentences") or []
    said = [mixture_sentence(len(found["members"]), found["squared_mmd"], found["nearest"], found["coverage"])]
    return said if found["gap"] is None else [*said, gap_sentence(found["squared_mmd"], found["gap"])]


def again(parts: list | None, kept: list[str]) -> list[str]:
    """Kept sentences in the language that is active: `parts` are the English ones with their values, [[sentence, {name: value}]]."""
    return kept if parts is None else [gettext(sentence) % values for sentence, values in parts]


def relaxed(row: dict) -> str:
    """That one of the requirement's own words was not asked for, since nothing has it."""
    said = {"filter": {"task": gettext("task"), "target": gettext("target")}.get(row["filter"], row["filter"]), "value": repr(row["value"])}
    return gettext("No usable learnware of this space has %(filter)s %(value)s, so it was not asked for.") % said


def mmd(squared: float) -> float:
    return sqrt(max(squared, 0.0))


def coverage_sentence(coverage: float) -> str:
    return gettext("%(percent)s of your data lies where this model has seen data.") % {"percent": _percent(coverage)}


def chance_sentence(p_value: float) -> str:
    """The p-value in words."""
    if p_value < 1e-4:
        return gettext("Two samples of the same data practically never stand so far apart.")
    return gettext("Of two samples of the same data, %(percent)s stand at least so far apart.") % {"percent": _percent(p_value)}


def gap_sentence(squared_mmd: float, gap: float) -> str:
    """What no mixture can reach, by the duality gap."""
    least = max(0.0, squared_mmd - gap)
    if least >= 0.98 * squared_mmd:
        return gettext("It is the best there is: no mixture of what is here, however large, comes closer.")
    if least <= 0.01 * squared_mmd:
        return gettext("A larger mixture of what is here might come closer still.")
    return gettext("No mixture of what is here, however large, comes below a distance of %(least)s.") % {"least": f"{mmd(least):.3f}"}


def labels_sentence(distance: float) -> str:
    """What the labels of both sides say; `distance` as specs.labels gives it."""
    if distance == float("inf"):
        return gettext("Its specification carries no labels to compare with yours.")
    return gettext("Its labels stand %(distance)s from yours (0: the same concept).") % {"distance": f"{sqrt(distance):.2g}"}


def columns_sentence(columns: list[dict]) -> str:
    """Which columns carry the difference, in one sentence; columns come largest first."""
    total = sum(column["squared_mmd"] for column in columns)
    if total <= 0 or columns[0]["squared_mmd"] < 1e-4:
        return gettext("No single column stands out.")
    heavy = [c for c in columns[:3] if c["squared_mmd"] >= 0.2 * columns[0]["squared_mmd"]]
    part = sum(c["squared_mmd"] for c in heavy) / total
    return gettext("Differs most in %(columns)s (%(percent)s of what single columns show).") % {"columns": _and([c["column"] for c in heavy]), "percent": _percent(part)}


def mixture_sentence(members: int, squared_mmd: float, single: float, coverage: float) -> str:
    """How much the mixture helps beside the best single learnware."""
    if members == 0:
        return gettext("No mixture could be made.")
    if members == 1:
        return gettext("One learnware alone is the best mixture: no other brings it closer to your data.")
    # In the unit of every distance on the page, so that a reader finds the same numbers again.
    times = mmd(single) / mmd(squared_mmd) if squared_mmd > 0 else float("inf")
    said = {"members": members, "times": f"{times:.1f}", "mmd": f"{mmd(squared_mmd):.3f}", "single": f"{mmd(single):.3f}", "percent": _percent(coverage)}
    if times < 1.05:
        return gettext("%(members)s learnwares together come hardly closer to your data than the best single one (a distance of %(mmd)s against %(single)s) and cover %(percent)s of it.") % said
    if times < 100:
        return gettext(
            "%(members)s learnwares together are %(times)s times closer to your data than the best single one "
            "(a distance of %(mmd)s against %(single)s) and cover %(percent)s of it."
        ) % said
    return gettext(
        "%(members)s learnwares together are over 100 times closer to your data than the best single one "
        "(a distance of %(mmd)s against %(single)s) and cover %(percent)s of it."
    ) % said


def cannot_join(version: Any, member: Any) -> str:
    """Why a learnware can not stand in one mixture with another; empty where it can."""
    if version.format == "predictor":
        return gettext("It is a predictor, which holds models already.")
    asked, given = (gettext("%(task)s of %(target)s") % {"task": v.task, "target": v.target} for v in (member, version))
    if asked != given:
        return gettext("It answers another question (%(given)s) than the mixture (%(asked)s).") % {"given": given, "asked": asked}
    if version.output.get("unit") != member.output.get("unit"):
        units = {name: v.output.get("unit") or gettext("no unit") for name, v in (("unit", version), ("other", member))}
        return gettext("It answers in %(unit)s, the mixture in %(other)s.") % units
    return ""


def bare_regions(names: list[str], share: float) -> str:
    """What no model has seen; empty where there is no such region."""
    if not names:
        return ""
    said = {"percent": _percent(share), "regions": "; ".join(f"“{name}”" for name in names[:3]), "more": len(names) - 3}
    if share >= 0.995:
        return gettext("Nobody here has seen much of your data.")
    if len(names) > 3:
        return gettext("Nobody here has seen much of %(percent)s of your data: %(regions)s and %(more)s more.") % said
    return gettext("Nobody here has seen much of %(percent)s of your data: %(regions)s.") % said


def left_out_sentence(count: int) -> str:
    return ngettext("%(n)s model that you may not see is left out.", "%(n)s models that you may not see are left out.", count) % {"n": count}


def _percent(share: float) -> str:
    if 0 < share < 0.01:
        return gettext("under 1 %")
    return f"{100 * share:.0f} %"


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else gettext("%(names)s and %(last)s") % {"names": ", ".join(names[:-1]), "last": names[-1]}
