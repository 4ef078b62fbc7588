"""Two to six learnwares side by side: what differs first, how far their data lie apart, and where."""

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from django.http import QueryDict
from django.utils.translation import gettext, gettext_lazy

import specs
from marketplace import plots
from marketplace.catalog import showing
from marketplace.catalog.models import Version
from marketplace.catalog.templatetags.moorage import figure, file_size, output_words, percent
from marketplace.errors import Refused
from reuse.manifest import REFERENCE
from storage import ArtifactDamaged, ArtifactMissing

log = logging.getLogger(__name__)
LEAST, MOST = 2, 6
COLUMNS = 40  # of a space that are set side by side
SHADES = 8  # of a cell


@dataclass(frozen=True)
class Spot:
    """One of those compared: its letter, its colour, its specification where it can be read."""

    version: Version
    letter: str
    kind: str  # class of its colour
    spec: Any


def read(query: QueryDict) -> list[str]:
    """The references in the address, each once; Refused where they are too few, too many, or none at all."""
    wanted = list(dict.fromkeys(part.strip() for value in query.getlist("l") for part in value.split(",") if part.strip()))
    if len(wanted) > MOST:
        raise Refused("too-many", f"At most {MOST} learnwares stand side by side; got {len(wanted)}.", hint="Take some away below, and compare again.", fields={"l": "Too many."})
    if bad := [reference for reference in wanted if not REFERENCE.fullmatch(reference)]:
        raise Refused("bad-reference", f"A learnware is named owner/name@number; got {bad[0][:80]!r}.", hint="Choose them with the Compare boxes under Explore.", fields={"l": "Not a reference."})
    return wanted


def find(user: Any, references: list[str]) -> list[Version]:
    """The versions in the order asked for; Refused for one that is not there, or not for this user: nobody learns which."""
    found = []
    for reference in references:
        owner, _, rest = reference.partition("/")
        name, _, number = rest.partition("@")
        version = Version.objects.visible_to(user).whole().select_related("model").filter(learnware__owner__username=owner, learnware__name=name, number=number).first()
        if version is None:
            raise Refused("unknown-learnware", f"There is no learnware {reference} that you may see.", status=404, hint="Take it away, or look it up under Explore.", fields={"l": reference})
        found.append(version)
    if len(found) < LEAST:
        raise Refused("too-few", f"A comparison needs {LEAST} to {MOST} learnwares; got {len(found)}.", hint="Tick Compare on two of them under Explore.", fields={"l": "Too few."})
    return found


def spots(versions: list[Version]) -> list[Spot]:
    return [Spot(version, "ABCDEF"[i], f"who-{i + 1}", _specification(version)) for i, version in enumerate(versions)]


def _specification(version: Version) -> Any:
    try:
        return showing.specification(version.specification_id)
    except (ArtifactMissing, ArtifactDamaged, specs.SpecError) as error:
        log.warning("the specification of %s can not be read: %s", version.reference, error)
        return None


def facts(compared: list[Spot]) -> tuple[list[dict], list[dict]]:
    """(what differs, what is equal): rows of a title and one text for each learnware. What nobody says is left out."""
    versions = [spot.version for spot in compared]
    rows = [{"title": title, "said": [str(said(spot)) for spot in compared]} for title, said in SIGNATURE.items()]
    measured = [_measures(version) for version in versions]
    rows += [{"title": title, "said": [found.get(title, "") for found in measured]} for title in dict.fromkeys(title for found in measured for title in found)]
    rows = [row | {"said": [text or "–" for text in row["said"]]} for row in rows if any(row["said"])]
    differs = [row for row in rows if len(set(row["said"])) > 1]
    return differs, [row for row in rows if len(set(row["said"])) == 1]


def _measures(version: Version) -> dict[str, str]:
    """What is known of its quality and training, by title: what the market measured apart from what its owner says."""
    found = showing.evaluation(version)
    said: dict[str, str] = {}
    for row in found["rows"]:
        title = (gettext("%(metric)s, measured here") if row["by"] == "market" else gettext("%(metric)s, by its owner")) % {"metric": row["metric"]}
        span = f" ({figure(row['low'])} – {figure(row['high'])})" if row["low"] is not None and row["high"] is not None else ""
        said.setdefault(title, f"{figure(row['value'])} {row['unit']}".strip() + span)
    return said | {name: figure(value) for name, value in found["facts"].items()}


def _classes(spot: Spot) -> str:
    return ", ".join(str(name) for name in spot.version.output.get("classes") or [])


def _architecture(spot: Spot) -> str:
    said = (spot.version.manifest.get("model") or {}).get("architecture") or {}
    return f"{said['name']} {' '.join(f'{key}={value}' for key, value in (said.get('config') or {}).items())}".strip() if said.get("name") else ""


SIGNATURE = {
    gettext_lazy("Task"): lambda s: gettext(s.version.task),
    gettext_lazy("Predicts"): lambda s: output_words(s.version.output),
    gettext_lazy("Classes"): _classes,
    gettext_lazy("Unit"): lambda s: s.version.output.get("unit") or "",
    gettext_lazy("Space"): lambda s: s.version.space.name,
    gettext_lazy("Takes"): lambda s: {"columns": gettext("raw columns"), "coordinates": gettext("coordinates of the space")}.get((s.version.manifest.get("input") or {}).get("takes"), ""),
    gettext_lazy("Format"): lambda s: s.version.format,
    gettext_lazy("Architecture"): _architecture,
    gettext_lazy("Parameters"): lambda s: figure(s.version.report["parameters"]) if s.version.report.get("parameters") else "",
    gettext_lazy("Size of the file"): lambda s: file_size(s.version.model.size),
    gettext_lazy("Licence"): lambda s: s.version.licence,
    gettext_lazy("Can be merged with"): lambda s: gettext("family %(family)s") % {"family": s.version.merge_family[:12]} if s.version.merge_family else "",
    gettext_lazy("Access"): lambda s: gettext("gated: its owner lets you in") if s.version.learnware.is_gated else gettext("open"),
    gettext_lazy("Rows behind its specification"): lambda s: figure(s.spec.rkme.n) if s.spec else "",
    gettext_lazy("Points of its specification"): lambda s: figure(s.spec.rkme.size) if s.spec else "",
    gettext_lazy("Labels in its specification"): lambda s: (gettext("yes") if s.spec.rkme.labels is not None else gettext("no")) if s.spec else "",
    gettext_lazy("Downloads"): lambda s: figure(s.version.downloads),
    gettext_lazy("Likes"): lambda s: figure(s.version.learnware.likes_count),
    gettext_lazy("State"): lambda s: str(s.version.get_status_display()),
}


def distances(compared: list[Spot]) -> dict[str, Any]:
    """How far they lie apart and how much each has seen of the other's data, as tables of shaded cells, for each space in which two of them stand.

    {"tables": [{"space", "spots", "mmd", "cover"}], "alone": those with nobody to compare with, "words"}.
    """
    groups: dict[str, list[Spot]] = {}
    for spot in compared:
        if spot.spec is not None:
            groups.setdefault(spot.version.space_id, []).append(spot)
    tables = [_table(group) for group in groups.values() if len(group) > 1]
    together = {spot.letter for table in tables for spot in table["spots"]}
    return {"tables": tables, "alone": [spot for spot in compared if spot.letter not in together]}


def _table(group: list[Spot]) -> dict[str, Any]:
    rkmes = [spot.spec.rkme for spot in group]
    n = len(group)
    digests = [spot.version.specification_id for spot in group]
    D = np.array([[0.0 if i == j else _squared_mmd(*sorted((digests[i], digests[j]))) ** 0.5 for j in range(n)] for i in range(n)])
    C = np.array([[1.0 if i == j else _coverage(digests[j], digests[i]) for j in range(n)] for i in range(n)])
    # Two that share nothing lie sqrt(|a|^2 + |b|^2) apart: the scale of the shades, whoever else is compared.
    apart = np.sqrt(np.array([[a.squared_norm + b.squared_norm for b in rkmes] for a in rkmes]))
    space = group[0].spec.space
    return {
        "space": group[0].version.space,
        "spots": group,
        "mmd": [{"spot": spot, "cells": [{"value": D[i, j], "shade": _shade(D[i, j] / apart[i, j]), "same": i == j} for j in range(n)]} for i, spot in enumerate(group)],
        "cover": [{"spot": spot, "cells": [{"value": percent(C[i, j]), "shade": _shade(C[i, j]), "same": i == j} for j in range(n)]} for i, spot in enumerate(group)],
        "plot": plots.cloud(space, [(spot.spec.rkme, spot.kind) for spot in group], gettext("Points of %(letters)s over common principal components") % {"letters": ", ".join(spot.letter for spot in group)}),
        "columns": _columns(space, group),
        "more": max(0, len(space.columns) - COLUMNS),
    }


@lru_cache(maxsize=4096)
def _squared_mmd(one: str, other: str) -> float:
    """The same both ways, so it is kept by the digests in order."""
    return specs.squared_mmd(showing.specification(one).rkme, showing.specification(other).rkme)


@lru_cache(maxsize=4096)
def _coverage(of: str, by: str) -> float:
    """How much of one specification's data another has seen. Bytes never change, so neither does the answer, which takes some milliseconds each."""
    return specs.coverage(showing.specification(of).rkme, [showing.specification(by).rkme])


def _shade(share: float) -> int:
    return int(round(SHADES * min(max(float(share), 0.0), 1.0)))


def _columns(space: Any, group: list[Spot]) -> list[dict[str, Any]]:
    """For each column what each holds of it, drawn on one scale; columns that differ most first."""
    sides = [plots.ranges(space, spot.spec.rkme) for spot in group]
    rows = []
    for at, column in enumerate(space.columns):
        held = [side[at] for side in sides]
        drawn = _numeric(held, group) if column.type == "numeric" else [{"levels": row["levels"][:4]} for row in held]
        rows.append({"name": column.name, "unit": column.unit or "", "type": column.type, "sides": drawn, "spread": _spread(column, held)})
    return sorted(rows, key=lambda row: -row["spread"])[:COLUMNS]


def _numeric(held: list[dict], group: list[Spot]) -> list[dict[str, Any]]:
    known = [row for row in held if row["low"] is not None]
    frame = (min((row["low"] for row in known), default=0.0), max((row["high"] for row in known), default=1.0))
    return [
        {"low": row["low"], "mid": row["mid"], "high": row["high"], "strip": plots.strip(row["low"], row["mid"], row["high"], frame, spot.kind)} if row["low"] is not None else {}
        for row, spot in zip(held, group, strict=True)
    ]


def _spread(column: Any, held: list[dict]) -> float:
    """How much the sides differ in one column: medians apart in the space's scale, or the largest difference of a level's share."""
    if column.type == "numeric":
        mids = [row["mid"] for row in held if row["mid"] is not None]
        return (max(mids) - min(mids)) / (float(column.scale or 0.0) or 1.0) if mids else 0.0
    shares = [{level["level"]: level["share"] for level in row["levels"]} for row in held]
    return max((max(s.get(name, 0.0) for s in shares) - min(s.get(name, 0.0) for s in shares) for name in {n for s in shares for n in s}), default=0.0)
