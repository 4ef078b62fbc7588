"""Pages that put rows before a model: try a learnware, predict with a job's result, and read the answer."""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from marketplace.catalog import files
from marketplace.errors import Refused
from marketplace.jobs import forms, showing, trying
from marketplace.jobs.models import ReuseJob, Trial
from specs import SpecError


@never_cache
@require_http_methods(["GET", "POST"])
def try_version(request: HttpRequest, owner: str, name: str, number: str) -> HttpResponse:
    """The form with sample rows; a POST queues a trial of what it holds, or of a file."""
    try:
        version = trying.find_version(request.user, owner, name, number)
    except Refused as refusal:
        return _refused(request, refusal, {"owner": owner, "name": name})
    if version is None:
        raise Http404(f"No learnware {owner}/{name}@{number} is offered.")
    context: dict[str, Any] = {"version": version}
    if request.method == "GET":
        return render(request, "jobs/try.html", context)

    def ask(**rows: Any) -> Trial:
        return trying.try_version(version=version, user=request.user, visitor=trying.visitor(request, make=True), **rows)

    return _answered(request, ask, version.specification_id, context)


@login_required
@require_POST
def predict_job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Queue a prediction of a file, or of the rows of the form, by the result of one's own job."""
    job = get_object_or_404(ReuseJob.objects.visible_to(request.user).whole(), pk=job_id)

    def ask(**rows: Any) -> Trial:
        return trying.predict(job=job, user=request.user, **rows)

    return _answered(request, ask, forms.specification_of(job), {"job": job})


@never_cache
@require_GET
def trial(request: HttpRequest, trial_id: UUID) -> HttpResponse:
    """A trial: the part that the page asks for again while it waits, or a page of its own."""
    return _shown(request, _mine(request, trial_id))


@never_cache
@require_GET
def trial_file(request: HttpRequest, trial_id: UUID) -> HttpResponse:
    """All answers as CSV."""
    found = _mine(request, trial_id)
    if found.output is None:
        raise Http404("This trial has no file of answers.")
    return files.answer(request, found.output, name=f"predicted-{str(found.pk)[:8]}.csv", content_type="text/csv; charset=utf-8")


def _mine(request: HttpRequest, trial_id: UUID) -> Trial:
    return get_object_or_404(Trial.objects.visible_to(request.user, trying.visitor(request)).whole(), pk=trial_id)


def _answered(request: HttpRequest, ask: Any, specification: str | None, context: dict[str, Any]) -> HttpResponse:
    """The trial that was queued, or the form again with what was wrong."""
    form = forms.Rows(specification, request.POST)
    try:
        if not trying.TrialRate().allow_request(request, None):
            raise Refused("too-many-requests", f"At most {trying.PER_MINUTE} trials a minute are taken.", hint="Wait a moment.", status=429)
        file = request.FILES.get("file")
        if "file" in request.FILES or "with_file" in request.POST:
            if file is None:
                raise Refused("no-file", "Choose a CSV file first.", hint="It needs a line of column names, as the form shows them.")
            made = ask(file=file)
        else:
            made = ask(rows=form.rows())
    except (Refused, SpecError) as refusal:
        return _refused(request, refusal, context | {"rows_form": form})
    if request.htmx:
        return _shown(request, made)
    return redirect(made.get_absolute_url())


def _refused(request: HttpRequest, refusal: Any, context: dict[str, Any]) -> HttpResponse:
    if request.htmx:  # 200: htmx puts no other answer into the page
        return render(request, "jobs/_trial_refused.html", {"refusal": refusal})
    return render(request, "jobs/try.html", context | {"refusal": refusal}, status=getattr(refusal, "status", 422))


def _shown(request: HttpRequest, found: Trial) -> HttpResponse:
    return render(request, "jobs/_trial.html" if request.htmx else "jobs/trial.html", showing.trial(found))
