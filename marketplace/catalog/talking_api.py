"""REST: likes, comments and reports, what a model file holds, and what differs between two versions."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts.permissions import ReadsOpenly
from marketplace.catalog import differing, talking, tensors
from marketplace.catalog.access_api import seen
from marketplace.catalog.models import Comment, Report, Version
from marketplace.rest import Page


class Liked(serializers.Serializer):
    likes = serializers.IntegerField()
    liked = serializers.BooleanField(help_text="Whether you do.")


class CommentRow(serializers.ModelSerializer):
    author = serializers.CharField(source="author.username", read_only=True)
    hidden = serializers.BooleanField(source="is_hidden", read_only=True)

    class Meta:
        model = Comment
        fields = ["id", "author", "words", "html", "hidden", "created", "edited"]
        read_only_fields = ["id", "html", "created", "edited"]


class CommentPage(serializers.Serializer):
    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = CommentRow(many=True)


class Said(serializers.Serializer):
    words = serializers.CharField(max_length=talking.MAX_COMMENT, help_text="Markdown.")


class Complaint(serializers.Serializer):
    reason = serializers.ChoiceField(choices=Report.Reason.choices)
    words = serializers.CharField(max_length=talking.MAX_WORDS, required=False, allow_blank=True, default="")
    comment = serializers.UUIDField(required=False, allow_null=True, default=None, help_text="The id of a comment, to report that instead of the learnware.")


class ReportRow(serializers.ModelSerializer):
    class Meta:
        model = Report
        fields = ["id", "reason", "words", "state", "created"]


class TensorRow(serializers.Serializer):
    name = serializers.CharField()
    dtype = serializers.CharField()
    shape = serializers.ListField(child=serializers.IntegerField())
    numbers = serializers.IntegerField()
    share = serializers.FloatField(help_text="Of all numbers in the file.")


class TensorTable(serializers.Serializer):
    count = serializers.IntegerField()
    numbers = serializers.IntegerField()
    tensors = TensorRow(many=True)


class Changed(serializers.Serializer):
    name = serializers.CharField()
    path = serializers.CharField(help_text="In learnware.json.")
    old = serializers.JSONField(allow_null=True)
    new = serializers.JSONField(allow_null=True)


class DiffLine(serializers.Serializer):
    kind = serializers.CharField(help_text="same, added, removed or gap.")
    words = serializers.CharField(allow_blank=True)


class Distance(serializers.Serializer):
    mmd = serializers.FloatField()
    share = serializers.FloatField(help_text="Of the distance of data that share nothing, sampling taken off.")
    p_value = serializers.FloatField()
    verdict = serializers.CharField(help_text="indistinguishable, close, partly or far.")


class Differences(serializers.Serializer):
    fields = Changed(many=True)
    signature = Changed(many=True)
    files = Changed(many=True)
    evaluation = Changed(many=True)
    card = DiffLine(many=True)
    tensors = serializers.DictField(help_text="added, removed and changed, each a list with name, shape and dtype.")
    data = Distance(allow_null=True)
    apart = serializers.CharField(allow_blank=True, help_text="Why there is no distance, where there is none.")


class LikeOne(APIView):
    scopes = {"PUT": "upload", "DELETE": "upload"}

    @extend_schema(request=None, responses=Liked, tags=["talk"])
    def put(self, request: Request, owner: str, name: str) -> Response:
        """Like a learnware; liking it twice is liking it once."""
        return Response({"likes": talking.like(seen(request, owner, name), request.user), "liked": True})

    @extend_schema(request=None, responses=Liked, tags=["talk"])
    def delete(self, request: Request, owner: str, name: str) -> Response:
        """Take your like back."""
        return Response({"likes": talking.unlike(seen(request, owner, name), request.user), "liked": False})


class CommentList(APIView):
    permission_classes = [ReadsOpenly]
    scopes = {"POST": "upload"}

    @extend_schema(operation_id="comments_list", parameters=[OpenApiParameter("page", int), OpenApiParameter("page_size", int)], responses=CommentPage, tags=["talk"])
    def get(self, request: Request, owner: str, name: str) -> Response:
        """The comments on a learnware, oldest first."""
        page = Page()
        rows = page.paginate_queryset(talking.comments(seen(request, owner, name), request.user), request, view=self)
        return page.get_paginated_response(CommentRow(rows, many=True).data)

    @extend_schema(request=Said, responses={201: CommentRow}, tags=["talk"])
    def post(self, request: Request, owner: str, name: str) -> Response:
        """Comment on a learnware; thirty a minute at most."""
        learnware = seen(request, owner, name)
        asked = Said(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(CommentRow(talking.say(learnware, request.user, asked.validated_data["words"])).data, status=status.HTTP_201_CREATED)


class CommentOne(APIView):
    scopes = {"PATCH": "upload", "DELETE": "upload"}

    @extend_schema(request=Said, responses=CommentRow, tags=["talk"])
    def patch(self, request: Request, owner: str, name: str, comment_id: UUID) -> Response:
        """Change your own comment."""
        comment = _comment(request, owner, name, comment_id)
        asked = Said(data=request.data)
        asked.is_valid(raise_exception=True)
        talking.reword(comment, request.user, asked.validated_data["words"])
        return Response(CommentRow(comment).data)

    @extend_schema(responses={204: None}, tags=["talk"])
    def delete(self, request: Request, owner: str, name: str, comment_id: UUID) -> Response:
        """Delete your own comment."""
        talking.unsay(_comment(request, owner, name, comment_id), request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ReportOne(APIView):
    scopes = {"POST": "upload"}

    @extend_schema(request=Complaint, responses={201: ReportRow}, tags=["talk"])
    def post(self, request: Request, owner: str, name: str) -> Response:
        """Report a learnware, or a comment on it, to the moderators."""
        learnware = seen(request, owner, name)
        asked = Complaint(data=request.data)
        asked.is_valid(raise_exception=True)
        told = asked.validated_data
        comment = get_object_or_404(talking.comments(learnware, request.user), pk=told["comment"]) if told["comment"] else None
        made = talking.complain(learnware, request.user, reason=told["reason"], words=told["words"], comment=comment)
        return Response(ReportRow(made).data, status=status.HTTP_201_CREATED)


class Tensors(APIView):
    permission_classes = [ReadsOpenly]

    @extend_schema(responses=TensorTable, tags=["learnwares"])
    def get(self, request: Request, owner: str, name: str, number: str) -> Response:
        """The tensors that a version's model file holds, in the order of the file; none for formats without such a table."""
        rows = tensors.of(_version(request, owner, name, number))
        return Response({"count": len(rows), "numbers": sum(row["numbers"] for row in rows), "tensors": rows})


class Difference(APIView):
    permission_classes = [ReadsOpenly]

    @extend_schema(responses=Differences, tags=["learnwares"])
    def get(self, request: Request, owner: str, name: str, old: str, new: str) -> Response:
        """What changed from one version to another, for instance …/compare/1.0.0...1.1.0."""
        return Response(differing.difference(_version(request, owner, name, old), _version(request, owner, name, new), request.user))


def _version(request: Request, owner: str, name: str, number: str) -> Version:
    return get_object_or_404(Version.objects.visible_to(request.user).whole().filter(learnware__owner__username=owner, learnware__name=name), number=number)


def _comment(request: Request, owner: str, name: str, pk: UUID) -> Comment:
    return get_object_or_404(talking.comments(seen(request, owner, name), request.user).select_related("learnware__owner"), pk=pk)
