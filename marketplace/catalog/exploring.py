"""The explore page's filters: read from the address, and written back into links."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from marketplace.catalog import shelf
from marketplace.catalog.models import Space
from marketplace.catalog.shelf import Found
from marketplace.errors import Refused

FACETS = {  # key in the address -> its title, in the order of the page
    "task": gettext_lazy("Task"),
    "target": gettext_lazy("Target"),
    "space": gettext_lazy("Space"),
    "format": gettext_lazy("Format"),
    "licence": gettext_lazy("Licence"),
    "owner": gettext_lazy("Owner"),
    "size": gettext_lazy("Size of the file"),
    "parameters": gettext_lazy("Parameters"),
    "merge": gettext_lazy("Merging"),
    "access": gettext_lazy("Access"),
}
SAID = {
    "task": {"classification": gettext_lazy("classification"), "regression": gettext_lazy("regression")},
    "merge": {"yes": gettext_lazy("Can be merged"), "no": gettext_lazy("Stays as it is")}, "access": {"open": gettext_lazy("Open"), "gated": gettext_lazy("Gated: ask its owner")},
    "size": {words: gettext_lazy(words) for _, words in shelf.SIZES}, "parameters": {words: gettext_lazy(words) for _, words in shelf.PARAMETERS},
}
SORTS = {"newest": gettext_lazy("Newest"), "used": gettext_lazy("Most used"), "liked": gettext_lazy("Most liked"), "downloaded": gettext_lazy("Most downloaded"), "name": gettext_lazy("Name")}
VIEWS = {"cards": (gettext_lazy("Cards"), "grid"), "table": (gettext_lazy("Table"), "table"), "map": (gettext_lazy("Map"), "compass")}
MOST, LISTED = 12, 60  # values that a facet lists at once, and with the rest unfolded
VALUES, CORNERS = 30, 200  # values of one facet, and corners of a lasso, that an address may hold


@dataclass(frozen=True)
class Asked:
    """What an address asks for."""

    q: str
    chosen: dict[str, list[str]]
    sort: str
    view: str
    lasso: np.ndarray | None  # (v, 2)

    @property
    def narrows(self) -> bool:
        return bool(self.q or any(self.chosen.values()) or self.lasso is not None)


def read(query: QueryDict) -> Asked:
    """The filters in the address. An unknown order or view falls back to the first; raises Refused for a lasso that is none."""
    return Asked(
        q=query.get("q", "").strip()[:120],
        chosen={key: list(dict.fromkeys(value.strip()[:120] for value in query.getlist(key) if value.strip()))[:VALUES] for key in FACETS},
        sort=query.get("sort") if query.get("sort") in SORTS else "newest",
        view=query.get("view") if query.get("view") in VIEWS else "cards",
        lasso=read_lasso(query.get("lasso", "")),
    )


def read_lasso(text: str) -> np.ndarray | None:
    """The corners (v, 2) of `x,y;x,y;…`; None for no text."""
    if not text:
        return None
    try:
        corners = np.array([[float(part) for part in corner.split(",")] for corner in text.split(";") if corner], dtype=np.float64)
    except ValueError:
        corners = np.empty(0)
    if corners.ndim != 2 or corners.shape[1] != 2 or not 3 <= len(corners) <= CORNERS or not np.isfinite(corners).all():
        raise Refused("bad-lasso", f"A lasso is 3 to {CORNERS} corners x,y;x,y;… in units of the map; got {text[:60]!r}.",
                      hint="Draw it on the map again, or leave it out.", fields={"lasso": "Not a polygon."})
    return corners


def rectangle(query: QueryDict) -> str:
    """A rectangle's four fields as the text of a lasso; Refused where one is no number."""
    try:
        left, right, bottom, top = (float(query.get(key, "")) for key in ("left", "right", "bottom", "top"))
    except ValueError:
        raise Refused("bad-rectangle", "A rectangle has a left, a right, a lower and an upper edge, each a number in units of the map.",
                      hint="The page of the map says where its edges are.", fields={"left": "Not a number."}) from None
    return f"{left:g},{bottom:g};{right:g},{bottom:g};{right:g},{top:g};{left:g},{top:g}"


def look(asked: Asked, user: Any) -> Found:
    return shelf.look(user, q=asked.q, sort=asked.sort, lasso=asked.lasso, **asked.chosen)


def found(query: QueryDict, user: Any) -> Found:
    """What an address asks for, of what the user may see."""
    return look(read(query), user)


# --- links --------------------------------------------------------------------------------------


def link(query: QueryDict, **changes: str | list[str] | None) -> str:
    """The same page with some filters changed; the page number starts again."""
    fresh = QueryDict(mutable=True)
    for key in ("q", *FACETS, "lasso", "sort", "view"):
        values = changes.get(key, query.getlist(key)) or []
        fresh.setlist(key, [value for value in ([values] if isinstance(values, str) else values) if value])
    return "?" + fresh.urlencode(safe=",;/")


def _toggled(chosen: list[str], value: str) -> list[str]:
    return [one for one in chosen if one != value] if value in chosen else [*chosen, value]


def kept(query: QueryDict, asked: Asked, *, but: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Hidden fields that carry the rest of the address through a form."""
    pairs = [(key, value) for key, values in asked.chosen.items() for value in values]
    pairs += [(key, query[key]) for key in ("q", "lasso", "sort", "view") if query.get(key)]
    return [(key, value) for key, value in pairs if key not in but]


def facets(query: QueryDict, asked: Asked, found: Found) -> list[dict[str, Any]]:
    """Each facet with its values, their counts, and the links that choose them or let them go."""
    counted = found.facets(FACETS)
    names = _space_names([*counted["space"], *asked.chosen["space"]])
    shown = []
    for key, title in FACETS.items():
        chosen = asked.chosen[key]
        counts = dict.fromkeys(chosen, 0) | counted[key]
        order = _in_order(key, counts, chosen)
        rows = [
            {"value": value, "label": _label(key, value, names), "n": counts[value], "chosen": value in chosen, "href": link(query, **{key: _toggled(chosen, value)})}
            for value in order[:LISTED]
        ]
        # One value that everything has tells nothing, unless it is what was chosen.
        if len(rows) > 1 or chosen or (rows and key in ("task", "space", "owner")):
            shown.append({"key": key, "title": title, "rows": rows[:MOST], "more": rows[MOST:], "rest": max(0, len(order) - LISTED), "is_open": bool(chosen)})
    return shown


def _in_order(key: str, counts: dict[str, int], chosen: list[str]) -> list[str]:
    """Chosen first, then the most; classes of sizes by size."""
    if key in ("size", "parameters"):
        classes = [words for _, words in (shelf.SIZES if key == "size" else shelf.PARAMETERS)]
        return sorted((value for value in counts if value in classes), key=classes.index)
    return sorted(counts, key=lambda value: (value not in chosen, -counts[value], value))


def chips(query: QueryDict, asked: Asked) -> list[dict[str, str]]:
    """What narrows the list now, each with the link that takes it away."""
    names = _space_names(asked.chosen["space"])
    found = [{"title": gettext("Words"), "value": asked.q, "href": link(query, q=None)}] if asked.q else []
    found += [
        {"title": FACETS[key], "value": _label(key, value, names), "href": link(query, **{key: _toggled(values, value)})}
        for key, values in asked.chosen.items() for value in values
    ]  # fmt: skip
    if asked.lasso is not None:
        found.append({"title": gettext("Map"), "value": gettext("inside the lasso"), "href": link(query, lasso=None)})
    return found


def culprit(query: QueryDict, asked: Asked, found: Found) -> dict[str, Any] | None:
    """Where nothing is left: the one filter without which most would be, with how many, and the link that drops it. None where no single one helps."""
    left = {key: found.count(but=key) for key in found.kept}
    best = max(left, key=lambda key: left[key], default=None)
    if best is None or not left[best]:
        return None
    names = _space_names(asked.chosen["space"])
    said = {"q": gettext("the words “%(words)s”") % {"words": asked.q}, "lasso": gettext("the lasso on the map")}
    words = said.get(best) or f"{FACETS[best].lower()} {gettext(' or ').join(str(_label(best, value, names)) for value in asked.chosen[best])}"
    return {"words": words, "n": left[best], "href": link(query, **{best: None})}


def sorts(query: QueryDict, asked: Asked) -> list[dict[str, Any]]:
    return [{"label": label, "chosen": key == asked.sort, "href": link(query, sort=None if key == "newest" else key)} for key, label in SORTS.items()]


def views(query: QueryDict, asked: Asked) -> list[dict[str, Any]]:
    return [{"label": label, "sign": sign, "chosen": key == asked.view, "href": link(query, view=None if key == "cards" else key)} for key, (label, sign) in VIEWS.items()]


def map_address(query: QueryDict, name: str = "api:map") -> str:
    """Where the map's points for these filters are; the lasso chooses among them and so is no part of it."""
    return reverse(name) + link(query, lasso=None, sort=None, view=None)


def _label(key: str, value: str, names: dict[str, str]) -> str:
    return names.get(value, value[:12]) if key == "space" else SAID.get(key, {}).get(value, value)


def _space_names(ids: list[str]) -> dict[str, str]:
    return dict(Space.objects.filter(pk__in=ids[:500]).values_list("pk", "name"))
