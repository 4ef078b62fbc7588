"""Pages about what fits: bring a requirement, read the answer."""

from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

import specs
import storage
from marketplace import plots
from marketplace.catalog import showing
from marketplace.catalog.models import Version
from marketplace.matching import answers, forms, services
from marketplace.matching.models import Match
from marketplace.rest import Refused


@require_http_methods(["GET", "POST"])
def match(request: HttpRequest) -> HttpResponse:
    form = forms.Requirement(request.POST, request.FILES) if request.method == "POST" else forms.Requirement(initial=_words(request))
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            found = services.match(
                user=request.user, specification=_specification(request, form.cleaned_data), filters=form.filters()
            )
        except (Refused, specs.SpecError, storage.ArtifactMissing) as error:
            refusal = error
        else:
            return redirect(found.get_absolute_url())
    wrong = refusal is not None or (form.is_bound and form.errors)
    context = {
        "form": form,
        "refusal": refusal,
        "examples": _examples(),
        "recent": Match.objects.filter(owner=request.user)[:5] if request.user.is_authenticated else [],
    }
    return render(request, "matching/match.html", context, status=422 if wrong else 200)


@require_GET
def match_detail(request: HttpRequest, pk: str) -> HttpResponse:
    """Whoever has the link may read the answer."""
    found = get_object_or_404(Match.objects.select_related("space", "owner", "specification"), pk=pk)
    answer = answers.read(found, request.user)
    context = {
        "match": found,
        "snippets": answers.snippets(request, found),
        "plot": _plot(found, answer),
        "job_form": forms.Reuse(initial={"target": found.semantic.get("target") or found.filters.get("target", "")}),
        **answer,
    }
    return render(request, "matching/match_detail.html", context)


def _words(request: HttpRequest) -> dict[str, str]:
    return {key: request.GET[key][:120] for key in forms.Requirement.FILTERS if key in request.GET}


def _specification(request: HttpRequest, given: dict) -> bytes:
    """The bytes of the requirement, wherever they came from: the example, the file, the pasted text."""
    if given["example"]:
        version = get_object_or_404(answers.by_reference(request.user, [given["example"]]))
        return showing.specification(version.specification_id).to_bytes()
    if given["specification"]:
        return given["specification"].read()
    return given["pasted"].encode()


def _examples() -> list[Version]:
    """A few learnwares to try with: the newest of each of the newest spaces."""
    newest = Version.objects.latest().values("space").annotate(at=Max("created")).order_by("-at")[:6]
    rows = Version.objects.latest().filter(created__in=[row["at"] for row in newest]).whole()
    return list(rows[:6])


def _plot(found: Match, answer: dict):
    """The requirement against the best single match, where both can be read."""
    best = next((row["version"] for row in answer["singles"] if row["version"]), None)
    try:
        mine = showing.specification(found.specification_id)
        clouds = [(mine.rkme, "one")]
        if best is not None:
            clouds.insert(0, (showing.specification(best.specification_id).rkme, "two"))
        return plots.cloud(mine.space, clouds, "The requirement's points and those of the best match")
    except (storage.ArtifactMissing, specs.SpecError):
        return ""
