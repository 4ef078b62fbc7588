"""Pages of the request board: ask for a model, look through what is asked for, see what comes near it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

import specs
import storage
from marketplace import plots
from marketplace.accounts.models import User
from marketplace.catalog import showing
from marketplace.catalog.models import Version
from marketplace.errors import Refused
from marketplace.matching import answers, forms, wanting
from marketplace.matching.models import Match, Wanted

PER_PAGE = 12
MOST_OF_MINE = 30  # learnwares, the newest, that are held against the requests
SORTS = {"": ["-created"], "oldest": ["created"], "least": [F("nearest").desc(nulls_first=True), "-created"]}
WORDS = {"q": gettext_lazy("Words"), "task": gettext_lazy("Task"), "target": gettext_lazy("Target"), "space": gettext_lazy("Space"), "state": gettext_lazy("State")}


@require_GET
def requests(request: HttpRequest) -> HttpResponse:
    """What is asked for, with what comes nearest now."""
    form = forms.Board(request.GET)
    asked = {name: value for name, value in form.cleaned_data.items() if value} if form.is_valid() else {}
    asked |= {name: request.GET[name][:120] for name in ("target", "space") if request.GET.get(name) and "\0" not in request.GET[name]}
    paginator = Paginator(found(asked), PER_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    near = wanting.near_misses_of(list(page), request.user, 1)
    context = {
        "form": form,
        "asked": asked,
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=1),
        "rows": [{"wanted": row, "near": next(iter(near[row.pk]), None), "is_mine": row.owner_id == request.user.pk} for row in page],
        "chips": _chips(request, asked),
        "is_filtered": any(name in asked for name in WORDS),
    }
    return render(request, "matching/requests.html", context)


def found(asked: dict[str, str]) -> QuerySet[Wanted]:
    """The requests that these filters leave, in the order that they name."""
    rows = Wanted.objects.whole().filter(state=asked.get("state") or Wanted.State.OPEN)
    for name, column in (("task", "task"), ("target", "target"), ("space", "space_id")):
        if asked.get(name):
            rows = rows.filter(**{column: asked[name]})
    for word in asked.get("q", "").split()[:20]:
        rows = rows.filter(Q(title__icontains=word) | Q(words__icontains=word) | Q(target__icontains=word) | Q(space__name__icontains=word))
    return rows.order_by(*SORTS.get(asked.get("sort", ""), SORTS[""]), "pk")


@require_GET
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A request with the outline of its data, the near misses, and for its owner the ways to end it."""
    return render(request, "matching/request.html", _context(request, _wanted(pk)))


@require_GET
def specification(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The published specification, to hold one's own data against."""
    wanted = _wanted(pk)
    try:
        data = showing.specification(wanted.specification_id).to_bytes()
    except answers.UNREADABLE:
        return HttpResponse(status=503)
    return HttpResponse(data, content_type="application/json", headers={"Content-Disposition": f'attachment; filename="request-{str(wanted.pk)[:8]}.json"'})


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def ask(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask for a model, from a match of one's own."""
    match = get_object_or_404(Match.objects.select_related("space").filter(owner=request.user), pk=pk)
    form = forms.Ask(request.POST) if request.method == "POST" else forms.Ask(initial=_initial(match))
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            wanted = wanting.ask_for(owner=request.user, match=match, **form.cleaned_data)
        except (Refused, specs.SpecError, storage.ArtifactMissing) as error:
            refusal = error
        else:
            messages.success(request, gettext("Your request stands on the board. You hear of it when a model comes that serves it."))
            return redirect(wanted.get_absolute_url())
    context = {"form": form, "match": match, "refusal": refusal, "outline": _outline(match.specification_id)}
    return render(request, "matching/ask.html", context, status=422 if refusal or form.errors else 200)


@login_required
@require_POST
def close(request: HttpRequest, pk: UUID) -> HttpResponse:
    """End one's own request: met by a learnware, or no longer needed."""
    wanted = _wanted(pk)
    reference = (request.POST.get("other") or request.POST.get("met_by") or "").strip()[:250]
    try:
        met_by = None
        if reference:
            met_by = wanting.named(reference, request.user)
        wanting.close(wanted, request.user, met_by)
    except Refused as refusal:
        return render(request, "matching/request.html", _context(request, wanted) | {"refusal": refusal}, status=refusal.status)
    messages.success(request, gettext("The request is met by %(reference)s.") % {"reference": met_by.reference} if met_by else gettext("The request is closed."))
    return redirect(wanted.get_absolute_url())


@require_GET
def served_by(request: HttpRequest, owner: str, name: str, number: str) -> HttpResponse:
    """A fragment: which open requests this version would serve; nothing where there are none."""
    version = get_object_or_404(Version.objects.visible_to(request.user).whole(), learnware__owner__username=owner, learnware__name=name, number=number)
    served = wanting.requests_served_by(version) if version.status == Version.Status.USABLE else []
    if not served:
        return HttpResponse("")
    is_mine = version.learnware.owner_id == request.user.pk
    return render(request, "matching/_served.html", {"version": version, "served": served, "is_mine": is_mine})


@login_required
@require_GET
def served_mine(request: HttpRequest) -> HttpResponse:
    """A fragment: which open requests one's own learnwares would serve; nothing where there are none."""
    spaces = Wanted.objects.open().exclude(owner=request.user).values("space")
    mine = Version.objects.latest().filter(learnware__owner__in=User.objects.acts_for(request.user), space__in=spaces).whole().order_by("-created")[:MOST_OF_MINE]
    held = [(version, wanting.requests_served_by(version)) for version in mine]
    held = [(version, [row for row in served if row.wanted.owner_id != request.user.pk]) for version, served in held]
    return render(request, "matching/_served_mine.html", {"held": held}) if any(served for _, served in held) else HttpResponse("")


@require_GET
def answered(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A fragment for the upload page: the request that an offer is meant to serve; nothing where it is over."""
    wanted = _wanted(pk)
    return render(request, "matching/_answered.html", {"wanted": wanted}) if wanted.is_open else HttpResponse("")


def _wanted(pk: UUID) -> Wanted:
    return get_object_or_404(Wanted.objects.whole(), pk=pk)


def _context(request: HttpRequest, wanted: Wanted) -> dict[str, Any]:
    met_by = wanted.met_by
    if met_by is not None and not Version.objects.visible_to(request.user).filter(pk=met_by.pk).exists():
        met_by = None
    near = wanting.near_misses(wanted, request.user)
    return {
        "wanted": wanted,
        "met_by": met_by,
        "near": near,
        "is_mine": wanted.owner_id == request.user.pk,
        "may_close": wanted.is_open and (wanted.owner_id == request.user.pk or request.user.is_staff),
        "outline": _outline(wanted.specification_id),
        "plot": _plot(wanted, near),
    }


def _outline(sha256: str) -> dict[str, Any] | None:
    try:
        spec = showing.specification(sha256)
    except answers.UNREADABLE:
        return None
    rows = answers.outline(spec)
    return {"columns": rows, "more": len(spec.space.columns) - len(rows), "points": spec.rkme.size, "rows": spec.rkme.n}


def _plot(wanted: Wanted, near: list[wanting.Near]) -> Any:
    try:
        mine = showing.specification(wanted.specification_id)
        clouds = [(mine.rkme, "one")]
        if near:
            clouds.insert(0, (showing.specification(near[0].version.specification_id).rkme, "two"))
        return plots.cloud(mine.space, clouds, gettext("The request’s points and those of the nearest model"))
    except answers.UNREADABLE:
        return ""


def _initial(match: Match) -> dict[str, str]:
    mixture = match.result.get("mixture") or {}
    members = [member["id"] for member in mixture.get("members") or []]
    version = Version.objects.visible_to(match.owner).filter(pk__in=members[:1]).first()
    return {
        "unit": (version.output.get("unit") or "") if version else "",
        "task": match.semantic.get("task") or match.filters.get("task") or mixture.get("task") or "classification",
        "target": match.semantic.get("target") or match.filters.get("target") or mixture.get("target") or "",
        "is_anonymous": True,
    }


def _chips(request: HttpRequest, asked: dict[str, str]) -> list[dict[str, str]]:
    chips = []
    for name, title in WORDS.items():
        if name in asked:
            rest = request.GET.copy()
            for gone in (name, "page"):
                rest.pop(gone, None)
            chips.append({"title": title, "value": asked[name][:12] if name == "space" else asked[name], "href": f"?{rest.urlencode()}"})
    return chips
