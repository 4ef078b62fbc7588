"""REST: spaces, learnwares, versions, files."""

import json
from typing import Any
from uuid import UUID

from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts.permissions import LooksOpenly, ReadsOpenly
from marketplace.accounts.services import may_write
from marketplace.catalog import access, exploring, files, mending, services, shelf, uploading
from marketplace.catalog.models import Draft, Space, Version
from marketplace.catalog.serializers import (
    ColumnsAsked,
    DraftRow,
    DraftWritten,
    Offer,
    OfferAsked,
    OfferChecked,
    OfferOfUploads,
    OfferWrong,
    SpaceDetail,
    SpaceRow,
    SpacesFound,
    VersionDetail,
    VersionPage,
    VersionRow,
)
from marketplace.errors import Refused
from marketplace.parsers import StrictJson
from marketplace.rest import Page
from reuse.manifest import STATISTICS

FILTERS = ("q", *shelf.FACETS, "lasso", "sort")
MAX_MANIFEST = 1 << 20


def _all_spaces(user: Any) -> QuerySet[Space]:
    """Every space, for whoever knows its id, with the learnwares that they may see in it."""
    counts = Version.objects.latest().visible_to(user).filter(space=OuterRef("pk")).order_by().values("space").annotate(n=Count("pk")).values("n")
    return Space.objects.annotate(learnwares=Coalesce(Subquery(counts), 0))


class SpaceList(APIView):
    permission_classes = [LooksOpenly]

    @extend_schema(responses=SpaceRow(many=True), tags=["spaces"])
    def get(self, request: Request) -> Response:
        """The published spaces, those with most learnwares first."""
        return Response(SpaceRow(services.spaces_for(request.user).order_by("-learnwares", "name", "pk")[:500], many=True).data)


class SpaceFind(APIView):
    permission_classes = [LooksOpenly]

    @extend_schema(request=ColumnsAsked, responses=SpacesFound, tags=["spaces"])
    def post(self, request: Request) -> Response:
        """The spaces that a table with these columns fits. Only names and types are sent, no rows."""
        asked = ColumnsAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(SpacesFound(services.find_spaces(asked.validated_data["columns"], request.user)).data)


class SpaceOne(APIView):
    permission_classes = [LooksOpenly]

    @extend_schema(responses=SpaceDetail, tags=["spaces"])
    def get(self, request: Request, space_id: str) -> Response:
        """One space, whole: what a requester needs to describe data in it."""
        return Response(SpaceDetail(get_object_or_404(_all_spaces(request.user), pk=space_id)).data)


class LearnwareList(APIView):
    permission_classes = [ReadsOpenly]
    parser_classes = [MultiPartParser, StrictJson]
    scopes = {"POST": "upload"}

    @extend_schema(
        operation_id="learnwares_search",
        parameters=[OpenApiParameter(name, str) for name in (*FILTERS, "page", "page_size")], responses=VersionPage, tags=["learnwares"],
    )
    def get(self, request: Request) -> Response:
        """What is offered, by words and filters, with the counts of each facet."""
        found = exploring.found(request.query_params, request.user)
        page = Page()
        rows = page.paginate_queryset(found, request, view=self)
        answer = page.get_paginated_response(VersionRow(rows, many=True).data)
        answer.data = {key: answer.data[key] for key in ("count", "next", "previous")} | {"facets": found.facets(), "results": answer.data["results"]}
        return answer

    @extend_schema(request={"multipart/form-data": Offer, "application/json": OfferOfUploads}, responses={202: VersionDetail}, tags=["learnwares"])
    def post(self, request: Request) -> Response:
        """Offer a learnware; a worker checks it, and its status becomes usable or refused. Its files come with it, or are uploads that have arrived."""
        if request.content_type == "application/json":
            return self._offer_uploads(request)
        asked = Offer(data=request.data)
        asked.is_valid(raise_exception=True)
        parts = asked.validated_data
        if parts["manifest"].size > MAX_MANIFEST:
            raise Refused("manifest-too-large", f"learnware.json may have {MAX_MANIFEST:,} bytes.", status=413)
        version = services.submit(
            owner=request.user, manifest=parts["manifest"].read(), model=parts["model"], specification=parts["specification"].read(64 << 20),
            statistics=parts.get("statistics"), visibility=parts.get("visibility", ""),
        )
        return Response(VersionDetail(version, context={"request": request}).data, status=status.HTTP_202_ACCEPTED, headers={"Location": version.get_absolute_url()})


    def _offer_uploads(self, request: Request) -> Response:
        asked = OfferOfUploads(data=request.data)
        asked.is_valid(raise_exception=True)
        version = services.submit_uploads(by=request.user, **asked.validated_data)
        return Response(VersionDetail(version, context={"request": request}).data, status=status.HTTP_202_ACCEPTED, headers={"Location": version.get_absolute_url()})


class LearnwareCheck(APIView):
    scopes = {"POST": "upload"}

    @extend_schema(
        request=OfferAsked, responses={200: OfferChecked, 422: OfferWrong}, tags=["learnwares"],
        parameters=[OpenApiParameter("problems", str, enum=["listed"], description="`listed`: answer 200 with the list of problems, as a form does that is still being written.")],
    )
    def post(self, request: Request) -> Response:
        """Check an offer before a byte of its model is sent: 200, or every problem with its field and its fix."""
        asked = OfferAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        found = services.problems(
            author=request.user, manifest=said["manifest"], specification=services.specification_of(request.user, said["specification"]),
            visibility=said.get("visibility", ""), statistics=said["statistics"],
        )
        listed = [mending.to_json(problem) for problem in found]
        if not found or request.query_params.get("problems") == "listed":
            owner, name, version = (str(said["manifest"].get(key) or other) for key, other in (("owner", request.user.username), ("name", "?"), ("version", "?")))
            return Response(OfferChecked({"reference": f"{owner}/{name}@{version}", "problems": listed}).data)
        first, more = found[0], len(found) - 1
        wrong = {"code": first.code, "message": first.message + (f" ({more} more)" if more else ""), "hint": first.hint, "request_id": request._request.request_id,
                 "fields": {name: str(text) for problem in found for name, text in problem.fields.items()}, "problems": listed}
        return Response(OfferWrong(wrong).data, status=status.HTTP_422_UNPROCESSABLE_ENTITY)


class DraftList(APIView):
    scopes = {"POST": "upload", "GET": "upload"}

    @extend_schema(responses=DraftRow(many=True), tags=["uploads"])
    def get(self, request: Request) -> Response:
        """Your offers that are not made yet, the last changed first."""
        return Response(DraftRow(Draft.objects.filter(author=request.user).prefetch_related("uploads"), many=True).data)

    @extend_schema(request=DraftWritten, responses={201: DraftRow}, tags=["uploads"])
    def post(self, request: Request) -> Response:
        """Keep the words of an offer that is not made yet."""
        asked = DraftWritten(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(DraftRow(uploading.save_draft(author=request.user, **asked.validated_data)).data, status=status.HTTP_201_CREATED)


class DraftOne(APIView):
    scopes = {"GET": "upload", "PUT": "upload", "DELETE": "upload"}

    @extend_schema(responses=DraftRow, tags=["uploads"])
    def get(self, request: Request, draft_id: UUID) -> Response:
        """One draft, with the files that belong to it."""
        return Response(DraftRow(self._draft(request, draft_id)).data)

    @extend_schema(request=DraftWritten, responses=DraftRow, tags=["uploads"])
    def put(self, request: Request, draft_id: UUID) -> Response:
        """Write a draft anew."""
        asked = DraftWritten(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(DraftRow(uploading.save_draft(author=request.user, draft=self._draft(request, draft_id), **asked.validated_data)).data)

    @extend_schema(responses={204: None}, tags=["uploads"])
    def delete(self, request: Request, draft_id: UUID) -> Response:
        """Throw a draft away, with its uploads."""
        uploading.discard(self._draft(request, draft_id))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _draft(self, request: Request, draft_id: UUID) -> Draft:
        return get_object_or_404(Draft.objects.filter(author=request.user), pk=draft_id)


def _version(request: Request, owner: str, name: str, number: str | None = None) -> Version:
    """A version that may be seen; without a number the latest usable, else the newest."""
    seen = (
        Version.objects.visible_to(request.user).whole().select_related("model", "specification", "statistics", "base__learnware__owner")
        .filter(learnware__owner__username=owner, learnware__name=name)
    )
    if number is not None:
        return get_object_or_404(seen, number=number)
    return seen.filter(is_latest=True).first() or get_object_or_404(seen.order_by("-created")[:1])


class LearnwareDetail(APIView):
    permission_classes = [ReadsOpenly]

    @extend_schema(operation_id="learnwares_latest", responses=VersionDetail, tags=["learnwares"])
    def get(self, request: Request, owner: str, name: str) -> Response:
        """The latest version of a learnware."""
        return Response(VersionDetail(_version(request, owner, name), context={"request": request}).data)


class VersionOne(APIView):
    permission_classes = [ReadsOpenly]

    @extend_schema(responses=VersionDetail, tags=["learnwares"])
    def get(self, request: Request, owner: str, name: str, number: str) -> Response:
        """One version: its manifest, what the check found, its files."""
        return Response(VersionDetail(_version(request, owner, name, number), context={"request": request}).data)


class VersionFile(APIView):
    permission_classes = [ReadsOpenly]

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY}, tags=["learnwares"])
    def get(self, request: Request, owner: str, name: str, number: str, file: str) -> HttpResponse:
        """A file of a version. Ranges are served; the ETag is its SHA-256. Of a gated learnware everybody reads learnware.json and specification.json."""
        version = _version(request, owner, name, number)
        if file == "learnware.json":
            body = json.dumps(access.manifest(request.user, version), indent=1, ensure_ascii=False)
            return HttpResponse(body, content_type="application/json", headers={"Content-Disposition": 'attachment; filename="learnware.json"'})
        if file == "specification.json":
            return files.answer(request, version.specification, name=file, content_type="application/json")
        if file in (STATISTICS, version.manifest["model"]["file"]):
            access.insist(request.user, version)
        if file == STATISTICS and version.statistics is not None:
            return files.answer(request, version.statistics, name=file)
        if file != version.manifest["model"]["file"]:
            raise Refused("no-file", f"This version has no file {file[:80]!r}.", status=404,
                          hint=f"It has {version.manifest['model']['file']}, specification.json and learnware.json.")
        if version.status != Version.Status.USABLE and not may_write(request.user, version.learnware.owner):
            raise Refused("not-usable", f"This version is {version.get_status_display()}; its model is not served.", status=409)
        response = files.answer(request, version.model, name=file)
        if response.status_code == 200:  # not the rest of one that broke off, nor a 304
            Version.objects.filter(pk=version.pk).update(downloads=F("downloads") + 1)
        return response


class VersionWithdraw(APIView):
    scopes = {"POST": "upload"}

    @extend_schema(request=None, responses=VersionDetail, tags=["learnwares"])
    def post(self, request: Request, owner: str, name: str, number: str) -> Response:
        """Take one of your versions out of search. It is not deleted."""
        version = _version(request, owner, name, number)
        services.withdraw(version, request.user)
        return Response(VersionDetail(version, context={"request": request}).data)
