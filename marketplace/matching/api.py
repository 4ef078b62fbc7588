"""REST: search with data."""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts.permissions import HasScope
from marketplace.matching import services
from marketplace.matching.models import Match
from marketplace.matching.serializers import MatchAnswer, MatchRequest


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
        asked = MatchRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        row = services.match(user=request.user, **asked.validated_data)
        return Response(MatchAnswer(row).data, status=status.HTTP_201_CREATED, headers={"Location": row.get_absolute_url()})


class MatchDetail(APIView):
    """Whoever has the address may read the answer."""

    permission_classes = [Anybody]

    @extend_schema(responses=MatchAnswer, tags=["matches"])
    def get(self, request: Request, match_id: UUID) -> Response:
        """An answer that was given before, unchanged."""
        return Response(MatchAnswer(get_object_or_404(Match, pk=match_id)).data)
