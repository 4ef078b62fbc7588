"""Pages to look around: home, explore, a space."""

from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

import specs
from marketplace.catalog import exploring, services, showing
from marketplace.catalog.models import Space, Version

PER_PAGE = 24


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    found = Version.objects.latest().visible_to(request.user)
    context = {
        "newest": found.whole()[:6],
        "counts": found.aggregate(
            learnwares=Count("pk"),
            spaces=Count("space", distinct=True),
            owners=Count("learnware__owner", distinct=True),
        ),
        "jobs_run": Version.objects.visible_to(request.user).order_by().aggregate(n=Count("used_in__job", distinct=True))["n"],
    }
    return render(request, "catalog/home.html", context)


@require_GET
def explore(request: HttpRequest) -> HttpResponse:
    asked = exploring.read(request.GET)
    found = services.search(user=request.user, **asked)
    paginator = Paginator(found, PER_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    context = {
        "asked": asked,
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=1),
        "facets": exploring.facets(request.GET, request.user, asked, found),
        "chips": exploring.chips(request.GET, asked),
        "sorts": exploring.sorts(request.GET, asked),
    }
    return render(request, "catalog/explore.html", context)


@require_GET
def space(request: HttpRequest, pk: str) -> HttpResponse:
    space = get_object_or_404(Space.objects.select_related("founder"), pk=pk)
    found = Version.objects.latest().visible_to(request.user).filter(space=space).whole()
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
