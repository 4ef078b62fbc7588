"""REST: invitations to organisations, by both sides."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts import organisations
from marketplace.accounts.models import Invitation, User
from marketplace.accounts.serializers import InvitationAnswer, InvitationRow, InvitationSent, MemberRow


class InvitationList(APIView):
    @extend_schema(operation_id="invitations_list", responses=InvitationRow(many=True), tags=["organisations"])
    def get(self, request: Request) -> Response:
        """The organisations that want you as a member."""
        return Response(InvitationRow(Invitation.objects.filter(user=request.user).select_related("organisation", "by"), many=True).data)


class InvitationOne(APIView):
    scopes = {"POST": "admin"}

    @extend_schema(request=InvitationAnswer, responses={200: MemberRow, 204: None}, tags=["organisations"])
    def post(self, request: Request, username: str) -> Response:
        """Accept the invitation of an organisation, or decline it."""
        invitation = get_object_or_404(Invitation, user=request.user, organisation__username=username)
        asked = InvitationAnswer(data=request.data)
        asked.is_valid(raise_exception=True)
        if asked.validated_data["accept"]:
            return Response(MemberRow(organisations.accept(invitation, request.user)).data)
        organisations.decline(invitation, request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SentList(APIView):
    @extend_schema(operation_id="invitations_sent_list", responses=InvitationSent(many=True), tags=["organisations"])
    def get(self, request: Request, username: str) -> Response:
        """Who was invited and has not answered; for its admins."""
        organisation = get_object_or_404(User, username=username, kind=User.Kind.ORGANISATION)
        organisations.insist_on_admin(organisation, request.user)
        return Response(InvitationSent(organisation.invitations_sent.select_related("user"), many=True).data)


class SentOne(APIView):
    scopes = {"DELETE": "admin"}

    @extend_schema(responses={204: None}, tags=["organisations"])
    def delete(self, request: Request, username: str, member: str) -> Response:
        """Take back an invitation that was not answered; for its admins."""
        organisations.take_back(get_object_or_404(User, username=username, kind=User.Kind.ORGANISATION), request.user, username=member)
        return Response(status=status.HTTP_204_NO_CONTENT)
