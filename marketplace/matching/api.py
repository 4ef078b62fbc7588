"""REST: search with data, and the request board."""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts.permissions import HasScope, ReadsOpenly
from marketplace.catalog.models import Version
from marketplace.errors import Refused
from marketplace.matching import answers, board, pacing, services, wanting
from marketplace.matching.models import Match, Wanted
from marketplace.matching.serializers import Asked, Closing, MatchAnswer, MatchRequest, WantedDetail, WantedPage, WantedRow
from marketplace.rest import Page


class Anybody(HasScope):
    """Searching needs no account; a token that is sent must be good for reading."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.auth is None or super().has_permission(request, view)


class MatchList(APIView):
    """Anybody may search: a requirement holds no rows, and nothing is published of it."""

    permission_classes = [Anybody]
    scopes = {"POST": "read"}

    @extend_schema(request=MatchRequest, responses={201: MatchAnswer}, tags=["matches"])
    def post(self, request: Request) -> Response:
        """Find what fits a requirement: ranked singles and the best mixture."""
        pacing.insist(request, size=int(request.META.get("CONTENT_LENGTH") or 0))  # before a byte is parsed
        asked = MatchRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        row = services.match(user=request.user, **asked.validated_data)
        return Response(MatchAnswer(row).data, status=status.HTTP_201_CREATED, headers={"Location": row.get_absolute_url()})


class MatchDetail(APIView):
    """Whoever has the address may read the answer."""

    permission_classes = [Anybody]

    @extend_schema(responses=MatchAnswer, tags=["matches"])
    def get(self, request: Request, match_id: UUID) -> Response:
        """An answer that was given before, unchanged but for what you may not see."""
        row = get_object_or_404(Match.objects.select_related("space"), pk=match_id)
        result, left_out = answers.seen(row, request.user)
        is_mine = row.owner_id is not None and row.owner_id == request.user.pk
        return Response(MatchAnswer(row, context={"result": result, "left_out": left_out if is_mine else 0}).data)


class RequestList(APIView):
    """The board is open to read; asking needs an account."""

    permission_classes = [ReadsOpenly]
    scopes = {"POST": "upload"}

    @extend_schema(
        operation_id="requests_list", responses=WantedPage, tags=["requests"],
        parameters=[
            OpenApiParameter("q", str, description="Words of the title, the text, the target or the space."), OpenApiParameter("task", str), OpenApiParameter("target", str),
            OpenApiParameter("space", str, description="A space's id."), OpenApiParameter("state", str, enum=[state.value for state in Wanted.State]),
            OpenApiParameter("sort", str, enum=[sort for sort in board.SORTS if sort], description="Newest first when left out."),
            OpenApiParameter("page", int), OpenApiParameter("page_size", int),
        ],
    )
    def get(self, request: Request) -> Response:
        """Models that somebody asks for, with the learnwares that come nearest now."""
        names = ("q", "task", "target", "space", "state", "sort")
        asked = {name: request.query_params[name][:120] for name in names if request.query_params.get(name)}
        if asked.get("state", "open") not in Wanted.State.values:
            raise Refused("bad-state", f"state must be one of {', '.join(Wanted.State.values)}; got {asked['state']!r}.", fields={"state": "Unknown."})
        if any("\0" in value for value in asked.values()):
            raise Refused("bad-filter", "A filter must be a text.", hint="Take the zero character out.")
        page = Page()
        rows = page.paginate_queryset(board.found(asked), request, view=self)
        near = wanting.near_misses_of(rows, request.user, 3)
        return page.get_paginated_response(WantedRow(rows, many=True, context={"near": near}).data)

    @extend_schema(operation_id="requests_ask", request=Asked, responses={201: WantedDetail}, tags=["requests"])
    def post(self, request: Request) -> Response:
        """Ask for a model: the specification is published, not one row, and its names and labels are taken off."""
        asked = Asked(data=request.data)
        asked.is_valid(raise_exception=True)
        given = dict(asked.validated_data)
        if "match" in given:
            given["match"] = get_object_or_404(Match.objects.filter(owner=request.user), pk=given["match"])
        wanted = wanting.ask_for(owner=request.user, **given)
        return Response(_shown(request, wanted), status=status.HTTP_201_CREATED, headers={"Location": wanted.get_absolute_url()})


class RequestDetail(APIView):
    permission_classes = [ReadsOpenly]

    @extend_schema(operation_id="requests_one", responses=WantedDetail, tags=["requests"])
    def get(self, request: Request, request_id: UUID) -> Response:
        """One request, with its near misses."""
        return Response(_shown(request, get_object_or_404(Wanted.objects.whole(), pk=request_id)))


class RequestClose(APIView):
    scopes = {"POST": "upload"}

    @extend_schema(operation_id="requests_close", request=Closing, responses=WantedDetail, tags=["requests"])
    def post(self, request: Request, request_id: UUID) -> Response:
        """End a request of yours, met by a learnware or not."""
        asked = Closing(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = get_object_or_404(Wanted.objects.whole(), pk=request_id)
        reference = asked.validated_data.get("met_by", "").strip()
        wanting.close(wanted, request.user, wanting.named(reference, request.user) if reference else None)
        return Response(_shown(request, Wanted.objects.whole().get(pk=request_id)))


def _shown(request: Request, wanted: Wanted) -> dict:
    met_by = wanted.met_by
    if met_by is not None and not Version.objects.visible_to(request.user).filter(pk=met_by.pk).exists():
        met_by = None
    near = {wanted.pk: wanting.near_misses(wanted, request.user)}
    return WantedDetail(wanted, context={"near": near, "user": request.user, "met_by": met_by.reference if met_by else None}).data
