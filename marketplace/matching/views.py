"""Pages about what fits: bring a requirement, read the answer."""

from typing import Any
from uuid import UUID

from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import push_url, reswap, retarget

import specs
import storage
from marketplace.catalog import showing
from marketplace.catalog.models import Version
from marketplace.matching import answers, asking, forms, pacing, pruning, services, words
from marketplace.matching.models import Match
from marketplace.rest import Refused


@require_http_methods(["GET", "POST"])
def match(request: HttpRequest) -> HttpResponse:
    form = forms.Requirement(request.POST, request.FILES) if request.method == "POST" else forms.Requirement(initial=_words(request))
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            specification = _specification(request, form.cleaned_data)
            pacing.insist(request, size=len(specification))
            found = services.match(user=request.user, specification=specification, filters=form.filters())
        except (Refused, specs.SpecError, storage.ArtifactMissing) as error:
            refusal = error
            if getattr(error, "code", "") == "not-json":  # most often the table itself was taken for its outline
                refusal = Refused(error.code, error.message, hint=gettext("Is it the data itself? Drop it under “Your data”: this page makes the outline of it."))
        else:
            return redirect(found.get_absolute_url())
    wrong = refusal is not None or (form.is_bound and form.errors)
    context = {
        "form": form,
        "refusal": refusal,
        "examples": _examples(request.user),
        "recent": Match.objects.filter(owner=request.user)[:5] if request.user.is_authenticated else [],
    }
    return _with_status(request, render(request, "matching/match.html", context, status=422 if wrong else 200), refusal)


@require_GET
def match_detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Whoever has the link may read the answer, less what they may not see; the address may ask for other filters and other members."""
    found = _match(pk)
    asked, refusal = _asked(request, found)
    try:
        context = answers.read(found, request.user, asked)
    except answers.UNREADABLE as error:
        # The requirement's bytes are needed for anything but the answer as it was given.
        refusal, asked = refusal or Refused("artifact-damaged", f"Only the answer as it was given can be shown: {error}"), asking.Asked()
        context = answers.read(found, request.user, asked)
    context |= {
        "refusal": refusal,
        "left_out_words": words.left_out_sentence(context["left_out"]) if context["left_out"] else "",
        "selects": [(name, asking.KEYS[name], context["filters"]["choices"][name]) for name in ("task", "target", "format", "licence")],
        "snippets": answers.snippets(request, found, context["snippet_members"]),
        "plot": answers.plot(found, context["singles"]),
        "job_form": forms.Reuse(initial={"target": found.semantic.get("target") or found.filters.get("target") or context["mixture"].get("target") or "",
                                         "members": context["chosen"]}),
        "methods": _methods(),
        "kept_until": pruning.kept_until(found),
    }
    return _with_status(request, render(request, "matching/match_detail.html", context), refusal)


@require_GET
def match_mixture(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The part of the page that a choice of members changes, solved anew; without htmx, the page itself."""
    found = _match(pk)
    asked, refusal = _asked(request, found)
    if refusal is not None:
        # Above what stands there: the choices made so far stay.
        answer = _with_status(request, render(request, "components/_refusal.html", {"refusal": refusal}), refusal)
        return reswap(retarget(answer, "#mixture-said"), "innerHTML")
    if not request.htmx:
        return redirect(found.get_absolute_url() + asked.query())
    context = answers.mixed(found, request.user, asked)
    context |= {"match": found, "asked": asked, "snippets": answers.snippets(request, found, context["snippet_members"]), "is_part": True}
    answer = render(request, "matching/_chosen.html", context)
    return push_url(answer, found.get_absolute_url() + asked.query())


def _with_status(request: HttpRequest, response: HttpResponse, refusal: Exception | None) -> HttpResponse:
    """With the status that a refusal asks for: 429 and when to come again, else 422; none for htmx, which puts no other answer than 200 into the page."""
    if refusal is None or request.htmx:
        return response
    response.status_code = 429 if getattr(refusal, "status", 0) == 429 else 422
    if response.status_code == 429:
        response["Retry-After"] = str(refusal.retry_after)
    return response


def _match(pk: UUID) -> Match:
    return get_object_or_404(Match.objects.select_related("space", "owner", "specification"), pk=pk)


def _asked(request: HttpRequest, found: Match) -> tuple[asking.Asked, Refused | None]:
    """What the address asks for; where it makes no sense, the match as it was asked, and the refusal."""
    try:
        asked = asking.read(request.GET).tidied(found)
        if asked.is_filtered or asked.is_chosen:
            pacing.insist(request)
        asked.filtered(found).narrow(found, request.user)
        if asked.top is not None:
            services.check_top(row=found, top=asked.top)
    except Refused as refusal:
        return asking.Asked(), refusal
    except answers.UNREADABLE:
        pass  # who reads the answer says so
    return asked, None


def _methods() -> list[dict[str, str]]:
    """Each method of reuse with what it does, in one line."""
    lines = dict(line for _, group in forms.method_lines() for line in group)
    return [{"address": address, "id": f"method-{address.replace('/', '-')}", "line": line} for address, line in lines.items()]


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


def _examples(user: Any) -> list[Version]:
    """A few learnwares to try with: the newest of each of the newest spaces."""
    seen = Version.objects.latest().visible_to(user)
    newest = seen.order_by().values("space").annotate(at=Max("created")).order_by("-at")[:6]
    rows = seen.filter(created__in=[row["at"] for row in newest]).whole()
    return list(rows[:6])
