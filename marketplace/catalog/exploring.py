"""The explore page's filters: read from the address, and written back into links."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet
from django.http import QueryDict

from marketplace.catalog import services
from marketplace.catalog.models import Space

FACETS = {  # key in the address -> its title
    "task": "Task",
    "target": "Target",
    "format": "Format",
    "licence": "Licence",
    "owner": "Owner",
    "space": "Space",
}
SORTS = {"newest": "Newest", "used": "Most used", "name": "Name"}
MOST = 12  # values that a facet lists


def read(query: QueryDict) -> dict[str, str]:
    """The filters in the address. An unknown order falls back to the newest first."""
    asked = {key: query.get(key, "").strip()[:120] for key in ("q", *FACETS)}
    asked["sort"] = query.get("sort") if query.get("sort") in SORTS else "newest"
    return asked


def link(query: QueryDict, **changes: str | None) -> str:
    """The same page with some filters changed; the page number starts again."""
    kept = {key: value for key, value in query.items() if value and key in ("q", "sort", *FACETS)}
    kept.update(changes)
    fresh = QueryDict(mutable=True)
    for key, value in kept.items():
        if value:
            fresh[key] = value
    return "?" + fresh.urlencode()


def facets(
    query: QueryDict, user: AbstractBaseUser, asked: dict[str, str], found: QuerySet
) -> list[dict[str, Any]]:
    """Each facet with its values and counts. A chosen facet counts what the others leave, so one can change it."""
    counted = dict(services.facets(found))
    for key in FACETS:
        if asked[key]:
            without = services.search(user=user, **{**asked, key: ""})
            counted[key] = services.facets(without).get(key, {})
    names = dict(Space.objects.filter(pk__in=counted.get("space", {})).values_list("pk", "name"))
    shown = []
    for key, title in FACETS.items():
        counts = sorted(counted.get(key, {}).items(), key=lambda item: (item[0] != asked[key], -item[1], str(item[0])))
        rows = [
            {
                "value": value,
                "label": names.get(value, value) if key == "space" else value,
                "n": n,
                "chosen": value == asked[key],
                "href": link(query, **{key: None if value == asked[key] else value}),
            }
            for value, n in counts
            if value
        ]
        if rows:
            shown.append({"key": key, "title": title, "rows": rows[:MOST], "more": rows[MOST:]})
    return shown


def chips(query: QueryDict, asked: dict[str, str]) -> list[dict[str, str]]:
    """What narrows the list now, each with the link that takes it away."""
    active = [(key, asked[key]) for key in ("q", *FACETS) if asked[key]]
    words = dict(active)
    if "space" in words:
        words["space"] = Space.objects.filter(pk=words["space"]).values_list("name", flat=True).first() or words["space"]
    return [
        {
            "title": "Words" if key == "q" else FACETS[key],
            "value": words[key],
            "href": link(query, **{key: None}),
        }
        for key, _ in active
    ]


def sorts(query: QueryDict, asked: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"label": label, "chosen": key == asked["sort"], "href": link(query, sort=None if key == "newest" else key)}
        for key, label in SORTS.items()
    ]
