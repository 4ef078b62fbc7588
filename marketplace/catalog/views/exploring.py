"""Pages to look around: home, explore, a space."""

from typing import Any

import numpy as np
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

import specs
from marketplace.catalog import drawing, exploring, mapping, shelf, showing
from marketplace.catalog.models import Space
from marketplace.errors import Refused

PER_PAGE = 24
SHOWN, TRIED = 6, 3  # learnwares of each kind, and examples to try, on the home page


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    found = shelf.look(request.user)
    used, seen = found.by("used"), found.rows
    context = {
        "newest": found[:SHOWN],
        "used": [version for version in used[:SHOWN] if version.uses],
        "tries": _tries(found),
        "counts": {
            "learnwares": len(found),
            "spaces": len(np.unique(found.shelf.codes["space"][seen])),
            "owners": len(np.unique(found.shelf.codes["owner"][seen])),
            "uses": int(found.shelf.numbers["uses"][seen].sum()),
        },
        "thumbnail": drawing.thumbnail(mapping.islands(found), mapping.points(found)),
    }
    return render(request, "catalog/home.html", context)


def _tries(found: shelf.Found) -> list[Any]:
    """Of the spaces with the most learnwares, one each: the newest, whose data a visitor may match as if it were theirs."""
    codes = found.shelf.codes["space"][found.rows]
    first = {}
    for row, code in zip(found.rows.tolist(), codes.tolist(), strict=True):
        first.setdefault(code, row)
    busiest = np.argsort(-np.bincount(codes, minlength=1), kind="stable")[:TRIED]
    return found.versions(np.array([first[code] for code in busiest.tolist() if code in first], dtype=int))


@require_GET
def explore(request: HttpRequest) -> HttpResponse:
    query, refusal = request.GET, None
    try:
        if "left" in query:
            return redirect(reverse("explore") + exploring.link(query, lasso=exploring.rectangle(query), view="map"))
        asked = exploring.read(query)
    except Refused as error:
        refusal = error
        query = query.copy()
        query.pop("lasso", None)
        asked = exploring.read(query)
    found = exploring.look(asked, request.user)
    paginator = Paginator(found, PER_PAGE)
    page = paginator.get_page(query.get("page"))
    context = {
        "asked": asked,
        "refusal": refusal,
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=1),
        "facets": exploring.facets(query, asked, found),
        "chips": exploring.chips(query, asked),
        "culprit": None if len(found) else exploring.culprit(query, asked, found),
        "sorts": exploring.sorts(query, asked),
        "views": exploring.views(query, asked),
        "kept": exploring.kept(query, asked, but=("q",)),
        **(_map(query, asked, found) if asked.view == "map" else {}),
    }
    return render(request, "catalog/explore.html", context, status=422 if refusal else 200)


def _map(query: QueryDict, asked: exploring.Asked, found: shelf.Found) -> dict[str, Any]:
    islands = mapping.islands(found)
    for island in islands:
        island["href"] = exploring.link(query, space=[island["space"]], lasso=None)
        island["chosen"] = island["space"] in asked.chosen["space"]
    return {
        "islands": islands,
        "map_address": exploring.map_address(query),
        "near_address": exploring.map_address(query, "map-near"),
        "lasso": query.get("lasso", ""),
        "kept_on_map": exploring.kept(query, asked, but=("lasso", "view")),
        "unplaced": int(np.isnan(found.shelf.numbers["x"][found.mask(but="lasso")]).sum()),
        "edges": mapping.edges(islands),
    }


@require_GET
def near(request: HttpRequest) -> HttpResponse:
    """The card of the learnware that lies nearest to a point of the map, for whoever points at it."""
    try:
        x, y = float(request.GET.get("x", "")), float(request.GET.get("y", ""))
        version = mapping.nearest(exploring.found(request.GET, request.user), x, y)
    except (ValueError, Refused):
        version = None
    return render(request, "catalog/_map_card.html", {"version": version}, status=200 if version else 404)


@require_GET
def space(request: HttpRequest, pk: str) -> HttpResponse:
    space = get_object_or_404(Space.objects.select_related("founder"), pk=pk)
    found = shelf.look(request.user, space=space.pk)
    paginator = Paginator(found, PER_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    columns = space.document["columns"]
    context = {
        "space": space,
        "columns": columns[: showing.WIDE],
        "more_columns": columns[showing.WIDE :],
        "frame": specs.Space.from_json(space.document),
        "describe": f"moorage describe data.csv --space {space.pk} --url {request.build_absolute_uri('/').rstrip('/')}",
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=1),
    }
    return render(request, "catalog/space.html", context)
