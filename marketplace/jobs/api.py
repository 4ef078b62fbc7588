"""REST: methods and jobs."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts.permissions import ReadsOpenly
from marketplace.catalog import files
from marketplace.catalog.serializers import VersionDetail
from marketplace.errors import Refused
from marketplace.jobs import listing, methods, services, trying
from marketplace.jobs.models import ReuseJob, Trial
from marketplace.jobs.serializers import (
    JobListRow,
    JobPage,
    JobProof,
    JobRequest,
    JobRow,
    MethodRow,
    OfferRequest,
    PredictRequest,
    Proposal,
    TrialRequest,
    TrialRow,
)
from marketplace.matching.models import Match
from marketplace.parsers import StrictJson
from marketplace.rest import Page
from reuse import cards


class MethodList(APIView):
    permission_classes = [ReadsOpenly]

    @extend_schema(responses=MethodRow(many=True), tags=["jobs"])
    def get(self, request: Request) -> Response:
        """The methods that workers offer, with their parameters."""
        return Response(MethodRow(methods.every(), many=True).data)


class MatchMembers(APIView):
    permission_classes = [ReadsOpenly]

    @extend_schema(responses=Proposal, parameters=[OpenApiParameter("method", str, description="A method's address; auto when left out.")], tags=["jobs"])
    def get(self, request: Request, match_id: UUID) -> Response:
        """Which learnwares a job on this match would take, with their weights: for reuse on your own machine."""
        return Response(services.proposal(_match(match_id), request.query_params.get("method", "auto"), request.user))


class JobList(APIView):
    parser_classes = [StrictJson, MultiPartParser]
    scopes = {"GET": "read", "POST": "run"}

    @extend_schema(operation_id="jobs_list", responses=JobPage, parameters=[OpenApiParameter(name, str, description=words) for name, words in listing.FILTERS.items()], tags=["jobs"])
    def get(self, request: Request) -> Response:
        """Your jobs, newest first."""
        jobs = listing.narrowed(ReuseJob.objects.filter(owner=request.user), listing.read(request.query_params)).whole()
        page = Page()
        rows = page.paginate_queryset(jobs, request, view=self)
        return page.get_paginated_response(JobListRow(rows, many=True).data)

    @extend_schema(request=JobRequest, responses={202: JobRow}, tags=["jobs"])
    def post(self, request: Request) -> Response:
        """Ask for one predictor made of several learnwares."""
        asked = JobRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = dict(asked.validated_data)
        if "match" in wanted:
            wanted["match"] = _match(wanted["match"])
        job = services.request_reuse(owner=request.user, **wanted)
        return Response(
            JobRow(_job(request, job.pk)).data, status=status.HTTP_202_ACCEPTED, headers={"Location": job.get_absolute_url()}
        )


class JobDetail(APIView):
    @extend_schema(responses=JobRow, tags=["jobs"])
    def get(self, request: Request, job_id: UUID) -> Response:
        """One of your jobs: state, progress, evidence, result."""
        return Response(JobRow(_job(request, job_id)).data)


class JobCancel(APIView):
    scopes = {"POST": "run"}

    @extend_schema(request=None, responses=JobRow, tags=["jobs"])
    def post(self, request: Request, job_id: UUID) -> Response:
        """End a queued job, or ask a running one to stop."""
        services.cancel(_job(request, job_id), request.user)
        return Response(JobRow(_job(request, job_id)).data)


class JobResult(APIView):
    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY}, tags=["jobs"])
    def get(self, request: Request, job_id: UUID) -> Response:
        """The predictor as a zip file. Ranges are served; the ETag is its SHA-256."""
        job = _done(request, job_id)
        return files.answer(request, job.result, name=f"predictor-{str(job.pk)[:8]}.zip", content_type="application/zip")


class JobEvidence(APIView):
    @extend_schema(responses=JobProof, tags=["jobs"])
    def get(self, request: Request, job_id: UUID) -> Response:
        """Evidence and lineage of a job that is done, as one JSON document to keep."""
        job = _done(request, job_id)
        return Response({"job": str(job.pk), "evidence": job.evidence, "lineage": job.lineage},
                        headers={"Content-Disposition": f'attachment; filename="evidence-{str(job.pk)[:8]}.json"'})


class JobCard(APIView):
    @extend_schema(responses={(200, "text/markdown"): OpenApiTypes.STR}, tags=["jobs"])
    def get(self, request: Request, job_id: UUID) -> HttpResponse:
        """The model card of a job's result, in Markdown."""
        job = _done(request, job_id)
        return HttpResponse(cards.card(job.evidence, job.lineage, job.target), content_type="text/markdown; charset=utf-8",
                            headers={"Content-Disposition": f'attachment; filename="card-{str(job.pk)[:8]}.md"'})


class JobOffer(APIView):
    scopes = {"POST": "upload"}

    @extend_schema(request=OfferRequest, responses={202: VersionDetail}, tags=["jobs"])
    def post(self, request: Request, job_id: UUID) -> Response:
        """Offer the result as a new learnware of yours."""
        asked = OfferRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        version = services.offer(_job(request, job_id), request.user, **asked.validated_data)
        return Response(VersionDetail(version, context={"request": request}).data, status=status.HTTP_202_ACCEPTED)


class JobPredict(APIView):
    parser_classes = [StrictJson, MultiPartParser]
    throttle_classes = [trying.TrialRate]
    scopes = {"POST": "run"}

    @extend_schema(request=PredictRequest, responses={202: TrialRow}, tags=["jobs"])
    def post(self, request: Request, job_id: UUID) -> Response:
        """Predict the rows of a CSV file, or a few rows as they are, with a job's result; ask for the answer at the trial's address."""
        asked = PredictRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        return _trying(trying.predict(job=_job(request, job_id), user=request.user, **asked.validated_data))


class VersionTry(APIView):
    throttle_classes = [trying.TrialRate]
    scopes = {"POST": "run"}

    @extend_schema(request=TrialRequest, responses={202: TrialRow}, tags=["jobs"])
    def post(self, request: Request, owner: str, name: str, number: str) -> Response:
        """Put a few rows before a learnware that you may use; ask for the answer at the trial's address."""
        asked = TrialRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        version = trying.find_version(request.user, owner, name, number)
        if version is None:
            raise Http404
        return _trying(trying.try_version(version=version, user=request.user, rows=asked.validated_data["rows"]))


class TrialDetail(APIView):
    @extend_schema(responses=TrialRow, tags=["jobs"])
    def get(self, request: Request, trial_id: UUID) -> Response:
        """One of your trials: its state, and the first answers once it is done."""
        return Response(TrialRow(_trial(request, trial_id)).data)


class TrialFile(APIView):
    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY}, tags=["jobs"])
    def get(self, request: Request, trial_id: UUID) -> Response:
        """The rows that were sent, each with its answer, as CSV."""
        trial = _trial(request, trial_id)
        if trial.output is None:
            raise Refused("no-file", f"This trial has no file of answers; it is {trial.state}.", hint="Only a file is answered with a file: read `answer`.", status=409)
        return files.answer(request, trial.output, name=f"predicted-{str(trial.pk)[:8]}.csv", content_type="text/csv; charset=utf-8")


def _trying(trial: Trial) -> Response:
    address = reverse("api:trial", args=[trial.pk])
    return Response(TrialRow(trial).data, status=status.HTTP_202_ACCEPTED, headers={"Location": address})


def _trial(request: Request, trial_id: UUID) -> Trial:
    """A trial of the user who asks; of somebody else's not even that it exists."""
    return get_object_or_404(Trial.objects.visible_to(request.user).whole(), pk=trial_id)


def _job(request: Request, job_id: UUID) -> ReuseJob:
    """A job of the user who asks; of somebody else's not even that it exists."""
    return get_object_or_404(ReuseJob.objects.visible_to(request.user).whole(), pk=job_id)


def _done(request: Request, job_id: UUID) -> ReuseJob:
    job = _job(request, job_id)
    if job.result is None:
        raise Refused("no-result", f"This job has no result; it is {job.status}.", hint="Wait until it is done.", status=409)
    return job


def _match(match_id: UUID) -> Match:
    try:
        return get_object_or_404(Match, pk=match_id)
    except Http404:
        raise Refused("unknown-match", f"There is no match {match_id}.", hint="Search first: POST /api/v1/matches.",
                      status=422, fields={"match": "Unknown."}) from None
