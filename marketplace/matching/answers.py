"""A match as its page shows it: the answer joined with the rows it names, less what the reader may not see."""

import json
import shlex
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext

import specs
import storage
from marketplace import plots
from marketplace.catalog import services as catalog
from marketplace.catalog import showing
from marketplace.catalog.models import Version
from marketplace.matching import asking, drawing, narrowing, regions, services, words
from marketplace.matching.asking import Asked
from marketplace.matching.models import Match

COLUMNS = 12  # that a single's comparison shows
COMPARED = 9  # models across the table of regions
OFFERED = 8  # singles that a mixture may be extended by on the page
UNREADABLE = (storage.ArtifactMissing, storage.ArtifactDamaged, specs.SpecError)


def by_reference(user: Any, references: Iterable[str]) -> QuerySet[Version]:
    """The versions named `owner/name@number` that the user may see."""
    wanted = Q(pk__in=[])
    for reference in references:
        owner, _, rest = reference.partition("/")
        name, _, number = rest.partition("@")
        wanted |= Q(learnware__owner__username=owner, learnware__name=name, number=number)
    return Version.objects.visible_to(user).whole().filter(wanted)


def seen(match: Match, user: Any) -> tuple[dict, int]:
    """The kept answer as this reader may see it, and how many of its models they may not.

    What they may not see is not named and not counted: later singles move up, and a mixture that leaned on it, or was held against it, is solved anew.
    """
    result = match.result or {}
    singles, members = result.get("singles") or [], (result.get("mixture") or {}).get("members") or []
    named = {UUID(row["id"]) for row in [*singles, *members]}
    shown = set(Version.objects.visible_to(user).filter(pk__in=named).values_list("pk", flat=True))
    is_mine = match.owner_id is not None and match.owner_id == getattr(user, "pk", None)
    if named <= shown and is_mine:
        return result, 0
    answer = {**result, "searched": services.searched(row=match, user=user)}
    if named <= shown:
        return answer, 0
    kept = [{**row, "rank": rank} for rank, row in enumerate((row for row in singles if UUID(row["id"]) in shown), start=1)]
    asked = services.Filtered.of(match)
    fresh = services.rerank(row=match, user=user, asked=replace(asked, top=1))
    return {**answer, "singles": kept, "mixture": fresh["mixture"], "relaxed": fresh["relaxed"], "filters": fresh["filters"], "advice": fresh["advice"]}, len(named - shown)


def read(match: Match, user: Any, asked: Asked) -> dict[str, Any]:
    """All that the page shows of a match: the ranking, the mixture that was chosen, and how they stand to the regions of the data."""
    kept, left_out = seen(match, user)
    is_mine = match.owner_id is not None and match.owner_id == getattr(user, "pk", None)
    answer = services.rerank(row=match, user=user, asked=asked.filtered(match)) if asked.is_filtered else kept
    versions = _versions(user, [*answer["singles"], *answer["mixture"]["members"]])
    may_use = set(Version.objects.usable_by(user).filter(pk__in=versions).values_list("pk", flat=True))
    mine = _specification(match.specification_id)
    singles = [_single(row, versions[UUID(row["id"])], may_use, mine) for row in answer["singles"] if UUID(row["id"]) in versions]
    return {
        "match": match,
        "asked": asked,
        "is_mine": is_mine,
        "left_out": left_out if is_mine else 0,
        "answer": {**answer, "advice": words.again(answer.get("advice_parts"), answer.get("advice") or []), "relaxed": [{**row, "message": words.relaxed(row)} for row in answer.get("relaxed") or []]},
        "singles": singles,
        "filters": _filters(match, user, asked, answer),
        **mixed(match, user, asked, answer),
    }


def mixed(match: Match, user: Any, asked: Asked, answer: dict | None = None) -> dict[str, Any]:
    """The part of the page that a choice of members changes: the mixture, the table of regions, what a job would take."""
    if answer is None:
        answer = services.rerank(row=match, user=user, asked=asked.filtered(match)) if asked.is_filtered else seen(match, user)[0]
    best = answer["mixture"]
    included, excluded = (list(by_reference(user, references)) if references else [] for references in (asked.included, asked.excluded))
    found = best
    if asked.is_chosen:
        choice = services.Choice(tuple(v.pk for v in included), tuple(v.pk for v in excluded))
        found = services.remix(row=match, user=user, asked=asked.filtered(match), choice=choice)
    versions = _versions(user, [*answer["singles"], *found["members"]]) | {version.pk: version for version in [*included, *excluded]}
    usable = set(Version.objects.usable_by(user).filter(pk__in=versions).values_list("pk", flat=True))
    first = {member["reference"] for member in best["members"]}

    def toggle(reference: str, is_in: bool) -> str:
        return asked.toggled(reference, is_in, first).query()

    members = [
        {**row, "version": versions[UUID(row["id"])], "bar": plots.bar(row["weight"]), "may_use": UUID(row["id"]) in usable, "toggle": toggle(row["reference"], False)}
        for row in found["members"] if UUID(row["id"]) in versions
    ]
    held = {member["version"].pk for member in members}
    others = [version for version in included if version.pk not in held] + [version for version in excluded if version.pk not in held]
    near = [versions[UUID(row["id"])] for row in answer["singles"][:OFFERED] if UUID(row["id"]) in versions]
    others += [version for version in near if version.pk not in held and version not in others]
    is_question = {version.pk: not members or services.answers_like(version, members[0]["version"]) for version in others}
    return {
        "mixture": {
            **found,
            "sentences": words.of_mixture(found),
            "mmd": words.mmd(found["squared_mmd"] or 0.0),
            "members": members,
            "others": [
                {"version": version, "is_excluded": version in excluded, "fits": is_question[version.pk] and version.format != "predictor",
                 "why_not": words.cannot_join(version, members[0]["version"]) if members else "", "toggle": toggle(version.reference, True)}
                for version in others
            ],
            "best": {**best, "mmd": words.mmd(best["squared_mmd"] or 0.0)} if asked.is_chosen and best["members"] else None,
            "on_request": sum(not member["may_use"] for member in members),
        },
        "reset": replace(asked, included=(), excluded=()).query(),
        "query": asked.query(),
        "heat": _heat(match, members, [row for row in answer["singles"] if UUID(row["id"]) in versions], versions),
        "chosen": json.dumps([{"reference": m["reference"], "weight": round(m["weight"], 6)} for m in members]) if asked.is_chosen or asked.is_filtered else "",
        "snippet_members": [(m["reference"], m["weight"]) for m in members] if asked.is_chosen or asked.is_filtered else [],
    }


def outline(spec: specs.Specification, most: int = 40) -> list[dict]:
    """What a specification says of each column, drawn: the density of a numeric one, the shares of levels."""
    rows = []
    for column, (_, where) in list(zip(spec.space.columns, spec.space.coordinates(), strict=True))[:most]:
        row = {"column": column.name, "unit": column.unit or ""}
        if column.type == "categorical":
            row["levels"] = _levels(column, where, spec.rkme, None)
        else:
            values, w = drawing.column_values(column, where, spec.rkme)
            mean = float(w @ values)
            row |= drawing.overlaid((values, w), None, gettext("How %(column)s is spread") % {"column": column.name}) | {"said": _spread({"mean": mean, "sd": float(w @ (values - mean) ** 2) ** 0.5})}
        rows.append(row)
    return rows


def snippets(request: HttpRequest, match: Match, members: list[tuple[str, float]]) -> list[dict[str, str]]:
    """The same reuse from a program, with the members that were chosen, where some were."""
    url = request.build_absolute_uri("/").rstrip("/")
    target = match.semantic.get("target") or match.filters.get("target") or "TARGET"
    listed = [{"reference": reference, "weight": round(weight, 4)} for reference, weight in members]
    lines = "".join(f"    {json.dumps(member)},\n" for member in listed)
    python = (
        # Short lines: it stands in a narrow column.
        f'import moorage\nimport specs\n\nmarket = moorage.Market(\n    "{url}")\ntask = specs.Specification.read(\n    "task.json")\nmatch = market.match(task)\n'
        + (f"members = [\n{lines}]\n" if listed else "")
        + f'job = market.reuse(\n    match, data="labelled.csv",\n    target={json.dumps(target)}' + (",\n    members=members" if listed else "") + ")\n"
        + 'predictor = job.wait().download(\n    "predictor/")'
    )
    cli = f"moorage reuse task.json --data labelled.csv --target {shlex.quote(target)} --method auto -o predictor/ --url {url}"
    if listed:
        cli = f"# {gettext('The command takes what fits best; Python and curl take the members that you chose.')}\n{cli}"
    what = f"members={json.dumps(listed)}" if listed else f"match={match.pk}"
    curl = (
        f"curl {url}/api/v1/jobs \\\n  -H \"Authorization: Token $MOORAGE_TOKEN\" \\\n  -F {shlex.quote(what)} \\\n"
        f"  -F {shlex.quote(f'target={target}')} -F data=@labelled.csv"
    )
    return [{"id": "python", "label": "Python", "code": python}, {"id": "cli", "label": gettext("Command line"), "code": cli}, {"id": "curl", "label": "curl", "code": curl}]


def plot(match: Match, singles: list[dict]) -> Any:
    """The requirement's points beside those of the best single model, where both can be read."""
    try:
        mine = showing.specification(match.specification_id)
        clouds = [(mine.rkme, "one")]
        if singles:
            clouds.insert(0, (showing.specification(singles[0]["version"].specification_id).rkme, "two"))
        return plots.cloud(mine.space, clouds, gettext("The requirement’s points and those of the best match"))
    except UNREADABLE:
        return ""


def _versions(user: Any, rows: list[dict]) -> dict[UUID, Version]:
    wanted = {UUID(row["id"]) for row in rows}
    return {version.pk: version for version in Version.objects.visible_to(user).whole().filter(pk__in=wanted)}


def _specification(sha256: str) -> specs.Specification | None:
    try:
        return showing.specification(sha256)
    except UNREADABLE:
        return None


def _single(row: dict, version: Version, may_use: set[UUID], mine: specs.Specification | None) -> dict:
    theirs = _specification(version.specification_id) if row.get("columns") else None
    return {
        **row,
        "version": version,
        "may_use": version.pk in may_use,
        "verdict_words": words.VERDICTS[row["verdict"]],
        "sentences": words.of_single(row),
        "columns": differences(row.get("columns") or [], mine, theirs),
    }


def differences(columns: list[dict], mine: specs.Specification | None, theirs: specs.Specification | None) -> list[dict]:
    """Per-column differences, the largest first, with both sides drawn over each other where both can be read."""
    largest = max((float(c["squared_mmd"]) for c in columns), default=0.0) or 1.0
    known = {c.name: (c, where) for c, (_, where) in zip(mine.space.columns, mine.space.coordinates(), strict=True)} if mine and theirs else {}
    rows = []
    for c in sorted(columns, key=lambda c: -float(c["squared_mmd"]))[:COLUMNS]:
        squared = max(float(c["squared_mmd"]), 0.0)
        sides = [{**side, "said": _spread(side)} for side in (c.get("requirement") or {}, c.get("other") or {})]
        row = {**c, "mmd": squared**0.5, "bar": plots.bar(squared / largest), "sides": sides}
        if c["column"] in known:
            column, where = known[c["column"]]
            row["unit"] = column.unit or ""
            if column.type == "categorical":
                row["levels"] = _levels(column, where, mine.rkme, theirs.rkme)
            else:
                clouds = [drawing.column_values(column, where, side.rkme) for side in (mine, theirs)]
                row["drawn"] = drawing.overlaid(*clouds, gettext("%(column)s: your data and its data") % {"column": column.name})
        rows.append(row)
    return rows


def _spread(side: dict) -> str:
    """Middle and spread of a numeric column; empty for levels."""
    if side.get("mean") is None or side.get("sd") is None:
        return ""
    return f"{regions.rounded(side['mean'], side['sd'], 1)} ± {regions.rounded(side['sd'], side['sd'], 1)}"


def _levels(column: Any, where: slice, mine: Any, theirs: Any, most: int = 5) -> list[dict]:
    sides = [(side.distribution @ side.points[:, where] * 2**0.5).clip(0, 1) if side is not None else None for side in (mine, theirs)]
    together = sides[0] if sides[1] is None else sides[0] + sides[1]
    order = sorted(range(len(column.levels)), key=lambda i: -together[i])[:most]
    return [
        {"level": column.levels[i], "mine": float(sides[0][i]), "theirs": None if sides[1] is None else float(sides[1][i]),
         "bars": drawing.pair(float(sides[0][i]), None if sides[1] is None else float(sides[1][i]))}
        for i in order
    ]


def _heat(match: Match, members: list[dict], singles: list[dict], versions: dict[UUID, Version]) -> dict | None:
    """Regions of the data by models: the mixture as a whole, its members, then the best singles; None where a specification can not be read."""
    if not members and not singles:
        return None
    models = [(m["version"], m["weight"]) for m in members]
    models += [(versions[UUID(row["id"])], None) for row in singles if versions[UUID(row["id"])] not in [version for version, _ in models]]
    models = models[:COMPARED]
    try:
        seen_there = [regions.covered(match.specification_id, version.specification_id) for version, _ in models]
        if len(members) > 1:
            seen_there.insert(0, regions.covered_together(match.specification_id, [(m["version"].specification_id, m["weight"]) for m in members]))
        table = regions.cells(match.specification_id, seen_there)
    except UNREADABLE:
        return None
    rows = []
    for region, cells in zip(regions.of(match.specification_id), table, strict=True):
        best = max(cells)
        rows.append({
            "name": region.name, "detail": region.detail, "share": region.share, "best": best, "is_bare": best < 0.3,
            "cells": [{"value": value, "shade": round(9 * value)} for value in cells],
        })
    return {
        "has_mixture": len(members) > 1,
        "models": [{"version": version, "weight": weight} for version, weight in models],
        "rows": rows,
        "bare": words.bare_regions([row["name"] for row in rows if row["is_bare"]], sum(row["share"] for row in rows if row["is_bare"])),
    }


def _counts(found: QuerySet[Version]) -> dict[str, dict[str, int]]:
    plain = found.order_by()
    return {name: dict(plain.values_list(name).annotate(n=Count("pk")).order_by("-n", name)) for name in ("task", "target", "format", "licence")}


def _filters(match: Match, user: Any, asked: Asked, answer: dict) -> dict[str, Any]:
    used = answer.get("filters") or {}
    blamed = None
    if not answer["singles"] and used:
        blamed = narrowing.blame(user, match.space, used)
        if blamed:
            blamed |= {"title": asking.KEYS[blamed["filter"]], "href": asked.without(match, blamed["filter"]).query() or "?"}
    return {
        "chips": asking.chips(match, asked, used),
        "used": used,
        "choices": asking.facets(_counts(catalog.search(user=user, space=match.space_id)), used),
        "top": asked.top or 10,
        "tops": _tops(match),
        "blamed": blamed,
        "original": "?" if asked.is_filtered else "",
    }


def _tops(match: Match) -> list[int]:
    """How many singles the page offers to show: as many as a requirement of this size may ask for."""
    mine = _specification(match.specification_id)
    return [top for top in asking.TOPS if mine is None or top <= services.most_of(mine.rkme.size)]
