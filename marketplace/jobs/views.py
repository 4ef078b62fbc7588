"""Pages about reuse: your jobs, one job, its end, its result offered again."""

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from marketplace import plots
from marketplace.errors import Refused
from marketplace.jobs import forms, listing, services, showing
from marketplace.jobs.models import ReuseJob
from marketplace.matching.forms import Reuse
from marketplace.matching.models import Match
from reuse import ReuseError
from specs import SpecError

PER_PAGE = 30


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def jobs(request: HttpRequest) -> HttpResponse:
    """Your jobs; a POST, from the page of a match, starts one."""
    if request.method == "POST":
        return _start(request)
    held, asked = ReuseJob.objects.filter(owner=request.user), listing.read(request.GET)
    paginator = Paginator(listing.narrowed(held, asked).whole(), PER_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    rows = [{"job": one, "score": listing.score(one), "took": (one.ended - one.started).total_seconds() if one.started and one.ended else None} for one in page]
    return render(request, "jobs/jobs.html", {
        "page": page, "rows": rows, "asked": asked, "choices": listing.choices(held), "numbers": paginator.get_elided_page_range(page.number, on_each_side=1),
    })


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def again(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The same members and rows with other settings."""
    first = _mine(request, job_id)
    chosen = {"method": first.method, "target": first.target, "params": json.dumps(first.params) if first.params else ""}
    form = forms.Again(first, request.POST, request.FILES) if request.method == "POST" else forms.Again(first, initial=chosen)
    refusal = None
    if form.is_bound and form.is_valid():
        asked = form.cleaned_data
        try:
            made = services.request_again(
                first, owner=request.user, method=asked["method"] or "auto", params=asked["params"], target=asked["target"] or None, data=asked["data"] or None,
                rows=asked["rows"] or None,
            )
        except (Refused, ReuseError, SpecError) as error:
            refusal = error
        else:
            return redirect(made.get_absolute_url())
    wrong = refusal is not None or (form.is_bound and form.errors)
    return render(request, "jobs/again.html", {"job": first, "form": form, "refusal": refusal}, status=422 if wrong else 200)


def _start(request: HttpRequest) -> HttpResponse:
    try:
        match = get_object_or_404(Match, pk=UUID(request.POST.get("match", "")))
    except ValueError:
        messages.error(request, gettext("A job begins at a match: bring your specification first."))
        return redirect("match")
    form = Reuse(request.POST, request.FILES)
    if not form.is_valid():
        for field, errors in form.errors.items():
            messages.error(request, f"{form.fields[field].label}: {' '.join(errors)}")
        return redirect(match.get_absolute_url())
    asked = form.cleaned_data
    try:
        job = services.request_reuse(
            owner=request.user, method=asked["method"] or "auto", params=asked["params"], target=asked["target"] or None, data=asked["data"] or None,
            rows=asked["rows"] or None, **({"members": asked["members"], "chosen_on": match} if asked["members"] else {"match": match}),
        )
    except (Refused, ReuseError, SpecError) as refusal:
        messages.error(request, str(refusal))
        return redirect(match.get_absolute_url())
    return redirect(job.get_absolute_url())


@never_cache
@login_required
@require_GET
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    return render(request, "jobs/job.html", _context(request, _mine(request, job_id)))


@never_cache
@login_required
@require_GET
def job_status(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The part that the page of a job asks for again while it is open."""
    found = _mine(request, job_id)
    if not found.is_open:
        return HttpResponseClientRefresh()
    return render(request, "jobs/_running.html", _context(request, found))


@login_required
@require_POST
def cancel(request: HttpRequest, job_id: UUID) -> HttpResponse:
    found = _mine(request, job_id)
    try:
        services.cancel(found, request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, gettext("The job is cancelled; a running one stops at its next step."))
    return redirect(found.get_absolute_url())


@login_required
@require_POST
def offer(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Offer the result as a learnware of the user."""
    found = _mine(request, job_id)
    form = forms.Offer(request.user, request.POST)
    refusal = None
    if form.is_valid():
        try:
            version = services.offer(found, request.user, **form.cleaned_data)
        except (Refused, ReuseError, SpecError) as error:
            refusal = error
        else:
            messages.success(request, gettext("%(reference)s is offered, and being checked: that takes some seconds.") % {"reference": version.reference})
            return redirect(version.get_absolute_url())
    return render(request, "jobs/job.html", _context(request, found) | {"offer_form": form, "refusal": refusal}, status=422)


def _mine(request: HttpRequest, job_id: UUID) -> ReuseJob:
    return get_object_or_404(ReuseJob.objects.visible_to(request.user).whole(), pk=job_id)


def _context(request: HttpRequest, found: ReuseJob) -> dict[str, Any]:
    url = request.build_absolute_uri("/").rstrip("/")
    lanes = showing.lanes(found)
    context = {
        "job": found,
        "took": (found.ended - found.started).total_seconds() if found.started and found.ended else None,
        "percent": round(100 * found.progress),
        "left": showing.left(found),
        "stages": showing.stages(found),
        "attempts": showing.attempts(found),
        "members": lanes,
        "timed": any(lane["seconds"] for lane in lanes),
        "learning": plots.learning(found.learning) if found.learning else "",
        "offer_form": forms.Offer(request.user, initial={"name": f"{_slug(found.target)}-{str(found.pk)[:6]}", "version": "1.0.0"}),
        "snippets": [
            {"id": "cli", "label": gettext("Command line"), "code": f"moorage jobs download {found.pk} -o predictor/ --url {url}\nmoorage predict predictor/ new.csv -o out.csv"},
            {"id": "python", "label": "Python", "code": f'import moorage\n\njob = moorage.Market("{url}").job("{found.pk}")\n'
             'prediction = moorage.predict(job.download("predictor/"), frame)'},
        ],
    }
    return context | (showing.evidence(found) if found.status == ReuseJob.Status.DONE else {})


def _slug(target: str) -> str:
    return slugify(target.replace("_", "-"))[:60] or "reused"
