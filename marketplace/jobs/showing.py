"""What the page of a job shows beyond the row: stages, lanes, attempts in words, and the evidence as tables and pictures."""

from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, gettext_lazy

from marketplace import plots
from marketplace.jobs.models import WORKER_LOST, ReuseJob, Trial

STAGES = ("queued", "fetching", "predicting", "comparing", "fitting", "verifying", "packing", "storing", "done")
STAGE_NAMES = {
    "queued": gettext_lazy("queued"), "fetching": gettext_lazy("fetching"), "predicting": gettext_lazy("predicting"), "comparing": gettext_lazy("comparing"),
    "fitting": gettext_lazy("fitting"), "verifying": gettext_lazy("verifying"), "packing": gettext_lazy("packing"), "storing": gettext_lazy("storing"),
}
LANES = {
    "waiting": gettext_lazy("waits"), "fetching": gettext_lazy("is fetched"), "fetched": gettext_lazy("fetched"), "loading": gettext_lazy("is loaded"),
    "answering": gettext_lazy("answers"), "answered": gettext_lazy("answered"),
}
PARTS = (("fetching_s", "soft-one"), ("loading_s", "bar"), ("answering_s", "bar-two"))
REASONS = {
    WORKER_LOST: gettext_lazy("the worker was lost after %(took)s"), "done": gettext_lazy("done"), "cancelled": gettext_lazy("you cancelled it after %(took)s"),
    "out-of-time": gettext_lazy("the time was up after %(took)s"), "poison": gettext_lazy("the worker was lost again after %(took)s"),
}
SURE_FROM = 10  # rows of a bin; below, its share right is luck


def stages(job: ReuseJob) -> list[dict[str, str]]:
    """Each stage with "done", "now" or "" for what is still to come."""
    at = STAGES.index(job.stage) if job.stage in STAGES else 0
    return [{"name": STAGE_NAMES[name], "state": "done" if i < at else "now" if i == at else ""} for i, name in enumerate(STAGES[:-1])]


def left(job: ReuseJob) -> str:
    """How long it still takes, as coarse as the guess is; empty where there is none."""
    seconds = job.eta_s
    if seconds is None or job.cancel_asked:
        return ""
    if seconds < 5:
        return gettext("a few seconds left")
    if seconds < 60:
        return gettext("about %(n)s s left") % {"n": 5 * max(1, round(seconds / 5))}
    if seconds < 90:
        return gettext("about a minute left")
    return gettext("about %(n)s min left") % {"n": round(seconds / 60)} if seconds < 90 * 60 else gettext("about %(n)s hours left") % {"n": round(seconds / 3600)}


def attempts(job: ReuseJob) -> list[str]:
    """A sentence for each attempt that ended other than well, and for what the next one went on from."""
    found = []
    for i, entry in enumerate(job.attempt_log):
        said = []
        if i:
            said.append(gettext("it went on from the checkpoint at epoch %(epoch)s") % {"epoch": entry["from_epoch"]} if entry.get("from_epoch") else gettext("it began anew"))
        if entry["ended"] and entry["reason"] != "done":
            why = REASONS.get(entry["reason"]) or gettext("it failed (%(reason)s) after %(took)s")
            said.append(why % {"reason": entry["reason"], "took": _took(entry)})
        if said:
            found.append(gettext("Attempt %(n)s: %(said)s.") % {"n": entry["attempt"], "said": gettext(", then ").join(said)})
    return found


def lanes(job: ReuseJob) -> list[dict[str, Any]]:
    """Each member with its weight, how far it is, and its time as a bar on the scale of the slowest."""
    members = list(job.members.all())
    held = [*job.lanes, *({"state": "waiting"} for _ in members)][: len(members)]
    slowest = max((_seconds(lane) for lane in held), default=0.0)
    return [{
        "version": member.version, "weight": member.weight, "bar": plots.bar(member.weight),
        "state": lane["state"], "words": LANES.get(lane["state"], lane["state"]), "rows": lane.get("rows"), "of": lane.get("of"),
        "seconds": _seconds(lane) or None, "times": {key: lane.get(key) for key, _ in PARTS},
        "lane": plots.lane([(lane.get(key) or 0.0, kind) for key, kind in PARTS], slowest),
    } for member, lane in zip(members, held, strict=True)]


def evidence(job: ReuseJob) -> dict[str, Any]:
    """The evidence of a job that is done, drawn."""
    found = job.evidence
    details, calibration = found.get("details") or {}, found.get("calibration") or {}
    unit = (job.members.all()[0].version.output.get("unit") if job.members.all() else "") or ""
    return {
        "unit": unit,
        "learning": plots.learning(found.get("learning") or job.learning),
        "curve": plots.curve(found.get("curve"), found.get("metric", "score")),
        "shares": [{"method": address, "share": share, "bar": plots.bar(share)} for address, share in (found.get("shares") or {}).items()],
        "confusion": confusion(details.get("confusion")),
        "residuals": plots.residuals(details.get("pairs") or [], unit),
        "pairwise": pairwise(found.get("pairwise"), job),
        "reliability": plots.reliability(calibration.get("bins") or []),
        "few_sure": sum(row["rows"] for row in calibration.get("bins") or [] if row["rows"] < SURE_FROM),
        "leaderboard": plots.leaderboard(found.get("leaderboard", [])),
    }


def confusion(found: dict | None) -> dict | None:
    """A confusion matrix with each cell's share of its row, and that as a shade from 0 to 9."""
    if not found:
        return None
    rows = []
    for i, (name, counts) in enumerate(zip(found["classes"], found["counts"], strict=True)):
        total = max(1, sum(counts))
        rows.append({"class": name, "total": sum(counts), "cells": [{"count": c, "share": c / total, "shade": round(9 * c / total), "right": i == j} for j, c in enumerate(counts)]})
    return {"classes": found["classes"], "rows": rows}


def pairwise(found: dict | None, job: ReuseJob) -> dict | None:
    """Who differs from whom, with shades; members are numbered as in the table of members, so that the head stays narrow."""
    if not found or len(found["members"]) < 2:
        return None
    titles = {member.version.reference: member.version.title or member.version.learnware.name for member in job.members.all()}
    most = max((value for row in found["matrix"] for value in row), default=0.0) or 1.0
    whole = 1.0 if found["kind"] == "share" else most
    rows = [{"number": i + 1, "title": titles.get(name, name), "cells": [{"value": value, "shade": min(9, round(9 * value / whole)), "self": i == j} for j, value in enumerate(values)]}
            for i, (name, values) in enumerate(zip(found["members"], found["matrix"], strict=True))]
    n = len(rows)
    return {"rows": rows, "kind": found["kind"], "mean": sum(map(sum, found["matrix"])) / (n * (n - 1))}


def trial(found: Trial) -> dict[str, Any]:
    """A trial's answer as a table: one row for each row that came."""
    answer = found.answer
    if not answer:
        return {"trial": found}
    names = list(answer["rows"])
    shown = names[:8]
    count = len(answer.get("labels") or answer.get("values") or [])
    rows = []
    for i in range(count):
        row: dict[str, Any] = {"number": i + 1, "cells": [answer["rows"][name][i] for name in shown]}
        if answer["kind"] == "classes":
            row |= {"label": answer["labels"][i], "likeliest": [{"class": name, "share": share, "bar": plots.bar(share)} for name, share in answer["likeliest"][i][:3]]}
        else:
            row["value"] = answer["values"][i]
        rows.append(row)
    return {"trial": found, "answer": answer, "names": shown, "hidden": len(names) - len(shown), "rows": rows, "rest": found.count - count}


def _seconds(lane: dict) -> float:
    return sum(lane.get(key) or 0.0 for key, _ in PARTS)


def _took(entry: dict) -> str:
    began, ended = parse_datetime(entry["started"]), parse_datetime(entry["ended"])
    took = (ended - began).total_seconds() if began and ended else 0.0
    return f"{took:.0f} s" if took < 120 else f"{took / 60:.0f} min"
