"""A match as its page shows it: the stored answer joined with the rows it names."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from marketplace import plots
from marketplace.catalog.models import Version
from marketplace.matching.models import Match


def by_reference(user: Any, references: list[str]) -> QuerySet[Version]:
    """The versions named `owner/name@number` that the user may see."""
    wanted = Q(pk__in=[])
    for reference in references:
        owner, _, rest = reference.partition("/")
        name, _, number = rest.partition("@")
        wanted |= Q(learnware__owner__username=owner, learnware__name=name, number=number)
    return Version.objects.visible_to(user).whole().filter(wanted)


def read(match: Match, user: Any) -> dict[str, Any]:
    """Singles with their versions and drawn differences, and the mixture with its weights drawn."""
    result = match.result or {}
    singles, mixture = result.get("singles") or [], result.get("mixture") or {}
    members = mixture.get("members") or []
    references = {row["reference"] for row in [*singles, *members]}
    versions = {version.reference: version for version in by_reference(user, sorted(references))}
    return {
        "singles": [
            {**row, "version": versions.get(row["reference"]), "columns": differences(row.get("columns") or [])}
            for row in singles
        ],
        "mixture": {
            **mixture,
            "mmd": max(float(mixture.get("squared_mmd") or 0.0), 0.0) ** 0.5,
            "members": [
                {**row, "version": versions.get(row["reference"]), "bar": plots.bar(row["weight"])} for row in members
            ],
        }
        if members
        else None,
    }


def differences(columns: list[dict]) -> list[dict]:
    """Per-column differences, the largest first, each side drawn on one scale where it is numeric."""
    largest = max((float(c["squared_mmd"]) for c in columns), default=0.0) or 1.0
    rows = []
    for c in sorted(columns, key=lambda c: -float(c["squared_mmd"]))[:12]:
        squared = max(float(c["squared_mmd"]), 0.0)
        sides = [c.get("requirement") or {}, c.get("other") or {}]
        rows.append({**c, "mmd": squared**0.5, "bar": plots.bar(squared / largest), "sides": _sides(sides)})
    return rows


def _sides(sides: list[dict]) -> list[dict]:
    return sides


def snippets(request: HttpRequest, match: Match) -> list[dict[str, str]]:
    url = request.build_absolute_uri("/").rstrip("/")
    return [
        {
            "id": "cli",
            "label": "Command line",
            "code": "moorage reuse task.json --data labelled.csv --target "
            f"{match.semantic.get('target') or 'TARGET'} --method auto -o predictor/ --url {url}",
        },
        {
            "id": "curl",
            "label": "curl",
            "code": f"curl {url}/api/v1/matches/{match.pk}",
        },
    ]
