"""REST: organisations and who belongs to them."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts import organisations
from marketplace.accounts.models import User
from marketplace.accounts.permissions import ReadsOpenly
from marketplace.accounts.serializers import (
    InvitationSent,
    MemberAsked,
    MemberRow,
    NewOrganisation,
    OrganisationDetail,
    OrganisationRow,
    ProfileChange,
    RoleChange,
)


class OrganisationList(APIView):
    scopes = {"GET": "read", "POST": "admin"}

    @extend_schema(operation_id="organisations_list", responses=OrganisationRow(many=True), tags=["organisations"])
    def get(self, request: Request) -> Response:
        """The organisations that you are a member of, with your role."""
        held = request.user.memberships.select_related("organisation").order_by("organisation__username")
        return Response(OrganisationRow(held, many=True).data)

    @extend_schema(request=NewOrganisation, responses={201: OrganisationDetail}, tags=["organisations"])
    def post(self, request: Request) -> Response:
        """Found an organisation; you are its first admin."""
        asked = NewOrganisation(data=request.data)
        asked.is_valid(raise_exception=True)
        made = organisations.create(by=request.user, **asked.validated_data)
        return Response(OrganisationDetail(made).data, status=status.HTTP_201_CREATED, headers={"Location": made.get_absolute_url()})


class OrganisationOne(APIView):
    permission_classes = [ReadsOpenly]
    scopes = {"PATCH": "admin", "DELETE": "admin"}

    @extend_schema(responses=OrganisationDetail, tags=["organisations"])
    def get(self, request: Request, username: str) -> Response:
        """An organisation and its members."""
        return Response(OrganisationDetail(_organisation(username)).data)

    @extend_schema(request=ProfileChange, responses=OrganisationDetail, tags=["organisations"])
    def patch(self, request: Request, username: str) -> Response:
        """Change what it says of itself; for its admins."""
        asked = ProfileChange(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(OrganisationDetail(organisations.change(_organisation(username), request.user, **asked.validated_data)).data)

    @extend_schema(responses={204: None}, tags=["organisations"])
    def delete(self, request: Request, username: str) -> Response:
        """Delete an organisation that owns nothing; for its admins."""
        organisations.delete(_organisation(username), request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class MemberList(APIView):
    scopes = {"POST": "admin"}

    @extend_schema(request=MemberAsked, responses={202: InvitationSent}, tags=["organisations"])
    def post(self, request: Request, username: str) -> Response:
        """Invite a person; for its admins. They are a member once they accept."""
        asked = MemberAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        made = organisations.invite(_organisation(username), request.user, **asked.validated_data)
        return Response(InvitationSent(made).data, status=status.HTTP_202_ACCEPTED)


class MemberOne(APIView):
    scopes = {"PATCH": "admin", "DELETE": "admin"}

    @extend_schema(request=RoleChange, responses=MemberRow, tags=["organisations"])
    def patch(self, request: Request, username: str, member: str) -> Response:
        """Give a member another role; for its admins."""
        asked = RoleChange(data=request.data)
        asked.is_valid(raise_exception=True)
        changed = organisations.set_role(_organisation(username), request.user, username=member, role=asked.validated_data["role"])
        return Response(MemberRow(changed).data)

    @extend_schema(responses={204: None}, tags=["organisations"])
    def delete(self, request: Request, username: str, member: str) -> Response:
        """Take a member out, for its admins; or leave, by your own name."""
        organisations.remove(_organisation(username), request.user, username=member)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _organisation(username: str) -> User:
    return get_object_or_404(User, username=username, kind=User.Kind.ORGANISATION)
