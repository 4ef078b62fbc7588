"""REST: spaces, learnwares, versions, files."""

import json
from typing import Any

from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts.permissions import ReadsOpenly
from marketplace.accounts.services import may_write
from marketplace.catalog import access, files, services
from marketplace.catalog.models import Space, Version
from marketplace.catalog.serializers import (
    ColumnsAsked,
    Offer,
    SpaceDetail,
    SpaceRow,
    SpacesFound,
    VersionDetail,
    VersionPage,
    VersionRow,
)
from marketplace.errors import Refused
from marketplace.rest import Page
from reuse.manifest import STATISTICS

FILTERS = ("q", "task", "target", "format", "licence", "owner", "space", "sort")
MAX_MANIFEST = 1 << 20


def _all_spaces(user: Any) -> QuerySet[Space]:
    """Every space, for whoever knows its id, with the learnwares that they may see in it."""
    counts = Version.objects.latest().visible_to(user).filter(space=OuterRef("pk")).order_by().values("space").annotate(n=Count("pk")).values("n")
    return Space.objects.annotate(learnwares=Coalesce(Subquery(counts), 0))


class SpaceList(APIView):
    permission_classes = [AllowAny]

    @extend_schema(responses=SpaceRow(many=True), tags=["spaces"])
    def get(self, request: Request) -> Response:
        """The published spaces, those with most learnwares first."""
        return Response(SpaceRow(services.spaces_for(request.user).order_by("-learnwares", "name", "pk")[:500], many=True).data)


class SpaceFind(APIView):
    permission_classes = [AllowAny]

    @extend_schema(request=ColumnsAsked, responses=SpacesFound, tags=["spaces"])
    def post(self, request: Request) -> Response:
        """The spaces that a table with these columns fits. Only names and types are sent, no rows."""
        asked = ColumnsAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(SpacesFound(services.find_spaces(asked.validated_data["columns"], request.user)).data)


class SpaceOne(APIView):
    permission_classes = [AllowAny]

    @extend_schema(responses=SpaceDetail, tags=["spaces"])
    def get(self, request: Request, space_id: str) -> Response:
        """One space, whole: what a requester needs to describe data in it."""
        return Response(SpaceDetail(get_object_or_404(_all_spaces(request.user), pk=space_id)).data)


class LearnwareList(APIView):
    permission_classes = [ReadsOpenly]
    parser_classes = [MultiPartParser]
    scopes = {"POST": "upload"}

    @extend_schema(
        operation_id="learnwares_search",
        parameters=[OpenApiParameter(name, str) for name in (*FILTERS, "page", "page_size")], responses=VersionPage, tags=["learnwares"],
    )
    def get(self, request: Request) -> Response:
        """What is offered, by words and filters, with the counts of each facet."""
        asked = {name: request.query_params[name][:200] for name in FILTERS if request.query_params.get(name)}
        found = services.search(user=request.user, **asked)
        page = Page()
        rows = page.paginate_queryset(found, request, view=self)
        answer = page.get_paginated_response(VersionRow(rows, many=True).data)
        answer.data = {key: answer.data[key] for key in ("count", "next", "previous")} | {
            "facets": services.facets(found), "results": answer.data["results"],
        }
        return answer

    @extend_schema(request={"multipart/form-data": Offer}, responses={202: VersionDetail}, tags=["learnwares"])
    def post(self, request: Request) -> Response:
        """Offer a learnware; a worker checks it, and its status becomes usable or refused."""
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
