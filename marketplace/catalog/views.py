"""Pages about what is offered: home, explore, a learnware, a space, upload, my learnwares."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

import specs
from marketplace.catalog import exploring, forms, services, showing
from marketplace.catalog.models import Space, Version
from marketplace.rest import Refused
from reuse import ReuseError
from specs import SpecError

PER_PAGE = 24


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    found = Version.objects.latest()
    context = {
        "newest": found.whole()[:6],
        "counts": found.aggregate(
            learnwares=Count("pk"),
            spaces=Count("space", distinct=True),
            owners=Count("learnware__owner", distinct=True),
        ),
        "jobs_run": Version.objects.aggregate(n=Count("used_in__job", distinct=True))["n"],
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
def learnware(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """The newest usable version; where there is none, the newest that the visitor may see."""
    seen = _seen(request, owner, name)
    version = seen.filter(is_latest=True).first() or seen.order_by("-created").first()
    if version is None:
        raise Http404(f"No learnware {owner}/{name} is offered.")
    return _show(request, version)


@require_GET
def version(request: HttpRequest, owner: str, name: str, number: str) -> HttpResponse:
    return _show(request, get_object_or_404(_seen(request, owner, name), number=number))


def _seen(request: HttpRequest, owner: str, name: str) -> QuerySet[Version]:
    return (
        Version.objects.visible_to(request.user)
        .whole()
        .select_related("model", "specification", "statistics", "base__learnware__owner")
        .filter(learnware__owner__username=owner, learnware__name=name)
    )


def _show(request: HttpRequest, version: Version) -> HttpResponse:
    public = Version.objects.visible_to(request.user).whole()
    version = (
        Version.objects.whole()
        .select_related("model", "specification", "statistics", "base__learnware__owner")
        .prefetch_related(Prefetch("parents", public), Prefetch("children", public), Prefetch("fine_tuned", public))
        .annotate(jobs=Count("used_in", distinct=True))
        .get(pk=version.pk)
    )
    context = {
        "version": version,
        "is_owner": request.user == version.learnware.owner,
        "versions": Version.objects.visible_to(request.user).filter(learnware=version.learnware),
        "tabs": showing.TABS,
        "column_count": len(version.space.document["columns"]),
        "evaluation": showing.evaluation(version),
        "lineage": showing.lineage(version),
        "files": showing.files(version),
        "snippets": showing.snippets(request, version),
        **showing.drawn(version.specification_id),
    }
    return render(request, "catalog/version.html", context)


@never_cache
@require_GET
def version_status(request: HttpRequest, owner: str, name: str, number: str) -> HttpResponse:
    """The banner that the page of a version asks for again while the check runs."""
    version = get_object_or_404(_seen(request, owner, name), number=number)
    if version.status != Version.Status.CHECKING:
        return HttpResponseClientRefresh()
    return render(request, "catalog/_checking.html", {"version": version})


@login_required
@require_POST
def withdraw(request: HttpRequest, owner: str, name: str, number: str) -> HttpResponse:
    version = get_object_or_404(_seen(request, owner, name), number=number)
    if version.learnware.owner != request.user:
        raise Http404
    try:
        services.withdraw(version, request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{version.reference} is withdrawn: nobody finds it any more. Links to it still work.")
    return redirect(version.get_absolute_url())


@login_required
@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    form = forms.Upload(request.POST, request.FILES) if request.method == "POST" else forms.Upload()
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            version = services.submit(owner=request.user, **form.submission(request.user))
        except (Refused, ReuseError, SpecError) as error:
            refusal = error
        else:
            return HttpResponseRedirect(version.get_absolute_url())
    wrong = refusal is not None or (form.is_bound and form.errors)
    return render(request, "catalog/upload.html", {"form": form, "refusal": refusal}, status=422 if wrong else 200)


@login_required
@require_GET
def mine(request: HttpRequest) -> HttpResponse:
    held = Version.objects.filter(learnware__owner=request.user).whole().annotate(jobs=Count("used_in")).order_by("-created")
    paginator = Paginator(held, 50)
    page = paginator.get_page(request.GET.get("page"))
    numbers = paginator.get_elided_page_range(page.number, on_each_side=1)
    return render(request, "catalog/mine.html", {"page": page, "numbers": numbers})


@require_GET
def space(request: HttpRequest, pk: str) -> HttpResponse:
    space = get_object_or_404(Space.objects.select_related("founder"), pk=pk)
    found = Version.objects.latest().filter(space=space).whole()
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
