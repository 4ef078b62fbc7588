"""Pages about reuse: your jobs, one job, its end, its result offered again."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from marketplace import plots
from marketplace.errors import Refused
from marketplace.jobs import forms, services
from marketplace.jobs.models import ReuseJob
from marketplace.matching.forms import Reuse
from marketplace.matching.models import Match
from reuse import ReuseError
from specs import SpecError

STAGES = ("queued", "fetching", "predicting", "comparing", "fitting", "verifying", "packing", "storing", "done")
PER_PAGE = 30


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def jobs(request: HttpRequest) -> HttpResponse:
    """Your jobs; a POST, from the page of a match, starts one."""
    if request.method == "POST":
        return _start(request)
    held = ReuseJob.objects.filter(owner=request.user).whole()
    paginator = Paginator(held, PER_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    return render(request, "jobs/jobs.html", {"page": page, "numbers": paginator.get_elided_page_range(page.number, on_each_side=1)})


def _start(request: HttpRequest) -> HttpResponse:
    try:
        match = get_object_or_404(Match, pk=UUID(request.POST.get("match", "")))
    except ValueError:
        messages.error(request, "A job begins at a match: bring your specification first.")
        return redirect("match")
    form = Reuse(request.POST, request.FILES)
    if not form.is_valid():
        for field, errors in form.errors.items():
            messages.error(request, f"{form.fields[field].label}: {' '.join(errors)}")
        return redirect(match.get_absolute_url())
    asked = form.cleaned_data
    try:
        job = services.request_reuse(
            owner=request.user, match=match, method=asked["method"] or "auto", params=asked["params"], target=asked["target"] or None, data=asked["data"] or None,
            rows=asked["rows"] or None,
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
        messages.success(request, "The job is cancelled; a running one stops at its next step.")
    return redirect(found.get_absolute_url())


@login_required
@require_POST
def offer(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Offer the result as a learnware of the user."""
    found = _mine(request, job_id)
    form = forms.Offer(request.POST)
    refusal = None
    if form.is_valid():
        try:
            version = services.offer(found, request.user, **form.cleaned_data)
        except (Refused, ReuseError, SpecError) as error:
            refusal = error
        else:
            return redirect(version.get_absolute_url())
    return render(request, "jobs/job.html", _context(request, found) | {"offer_form": form, "refusal": refusal}, status=422)


def _mine(request: HttpRequest, job_id: UUID) -> ReuseJob:
    return get_object_or_404(ReuseJob.objects.visible_to(request.user).whole(), pk=job_id)


def _shaded(confusion: dict | None) -> dict | None:
    """A confusion matrix with each cell's shade, 0 to 9, by its share of its row."""
    if not confusion:
        return None
    rows = [{"class": name, "cells": [{"count": c, "shade": round(9 * c / max(1, sum(counts))), "right": i == j} for j, c in enumerate(counts)]}
            for i, (name, counts) in enumerate(zip(confusion["classes"], confusion["counts"], strict=True))]
    return {"classes": confusion["classes"], "rows": rows}


def _context(request: HttpRequest, found: ReuseJob) -> dict[str, Any]:
    at = STAGES.index(found.stage) if found.stage in STAGES else 0
    url = request.build_absolute_uri("/").rstrip("/")
    return {
        "job": found,
        "took": (found.ended - found.started).total_seconds() if found.started and found.ended else None,
        "percent": round(100 * found.progress),
        "stages": [{"name": name, "state": "done" if i < at else "now" if i == at else ""} for i, name in enumerate(STAGES[:-1])],
        "learning": plots.learning(found.evidence.get("learning") or found.learning),
        "curve": plots.curve(found.evidence.get("curve"), found.evidence.get("metric", "score")),
        "shares": [{"method": address, "share": share, "bar": plots.bar(share)} for address, share in (found.evidence.get("shares") or {}).items()],
        "confusion": _shaded((found.evidence.get("details") or {}).get("confusion")),
        "leaderboard": plots.leaderboard(found.evidence.get("leaderboard", [])),
        "members": [{"version": m.version, "weight": m.weight, "bar": plots.bar(m.weight)} for m in found.members.all()],
        "offer_form": forms.Offer(initial={"name": f"{(found.target or 'reused').lower().replace('_', '-').replace(' ', '-')}-{str(found.pk)[:6]}", "version": "1.0.0"}),
        "snippets": [
            {"id": "cli", "label": "Command line", "code": f"moorage jobs download {found.pk} -o predictor/ --url {url}\nmoorage predict predictor/ new.csv -o out.csv"},
            {"id": "python", "label": "Python", "code": f'import moorage\n\njob = moorage.Market("{url}").job("{found.pk}")\n'
             'prediction = moorage.predict(job.download("predictor/"), frame)'},
        ],
    }
