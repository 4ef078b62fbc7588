"""REST: one's own part of the audit log."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts import audit
from marketplace.accounts.serializers import EventPage, EventRow
from marketplace.rest import Page


class EventList(APIView):
    @extend_schema(operation_id="events_list", responses=EventPage, tags=["accounts"], parameters=[OpenApiParameter(name, int) for name in ("page", "page_size")])
    def get(self, request: Request) -> Response:
        """What you did and what was done to your account, newest first."""
        page = Page()
        return page.get_paginated_response(EventRow(page.paginate_queryset(audit.of(request.user), request, view=self), many=True, context={"user": request.user}).data)
