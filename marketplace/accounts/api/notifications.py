"""REST: what a person is told."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts import notices
from marketplace.accounts.models import Notification
from marketplace.accounts.serializers import NoticePage, NoticeRow, NoticesMarked, NoticesToMark
from marketplace.rest import Page


class NotificationList(APIView):
    @extend_schema(
        operation_id="notifications_list", responses=NoticePage, tags=["notifications"],
        parameters=[OpenApiParameter("unread", bool, description="Only those that wait."), *(OpenApiParameter(name, int) for name in ("page", "page_size"))],
    )
    def get(self, request: Request) -> Response:
        """What you were told, newest first, and how much of it you have not read."""
        held = Notification.objects.filter(recipient=request.user)
        if request.query_params.get("unread", "").lower() in ("1", "true", "yes"):
            held = held.filter(read=None)
        page = Page()
        answer = page.get_paginated_response(NoticeRow(page.paginate_queryset(held, request, view=self), many=True).data)
        answer.data["unread"] = notices.unread(request.user)
        return answer


class NotificationsRead(APIView):
    scopes = {"POST": "read"}

    @extend_schema(request=NoticesToMark, responses=NoticesMarked, tags=["notifications"])
    def post(self, request: Request) -> Response:
        """Mark notifications as read: those that `ids` names, or all of them."""
        asked = NoticesToMark(data=request.data)
        asked.is_valid(raise_exception=True)
        marked = notices.mark_read(request.user, asked.validated_data.get("ids"))
        return Response(NoticesMarked({"marked": marked, "unread": notices.unread(request.user)}).data)
