"""REST: who may see a learnware and use it."""

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts.permissions import ReadsOpenly
from marketplace.catalog import access
from marketplace.catalog.models import AccessRequest, Learnware, Version
from marketplace.catalog.serializers import AccessAsked, AccessChange, AccessDecision, AccessRequestRow, AccessSettings, AccessStanding


class Access(APIView):
    """For whoever may write in the owner's name."""

    scopes = {"GET": "read", "PUT": "upload"}

    @extend_schema(responses=AccessSettings, tags=["access"])
    def get(self, request: Request, owner: str, name: str) -> Response:
        """Who sees this learnware, whether its use is gated, and who asked for it."""
        learnware = seen(request, owner, name)
        access.insist_on_writer(learnware, request.user)
        return _settings(learnware)

    @extend_schema(request=AccessChange, responses=AccessSettings, tags=["access"])
    def put(self, request: Request, owner: str, name: str) -> Response:
        """Set visibility, gate and shares; what is left out stays as it is."""
        learnware = seen(request, owner, name)
        access.insist_on_writer(learnware, request.user)  # before the fields: strangers are told no more than that
        asked = AccessChange(data=request.data)
        asked.is_valid(raise_exception=True)
        return _settings(access.change(learnware, request.user, **asked.validated_data))


class AccessAsk(APIView):
    permission_classes = [ReadsOpenly]
    scopes = {"POST": "read"}

    @extend_schema(responses=AccessStanding, tags=["access"])
    def get(self, request: Request, owner: str, name: str) -> Response:
        """Where you stand with this learnware."""
        return Response({"state": access.standing(request.user, seen(request, owner, name))})

    @extend_schema(request=AccessAsked, responses={201: AccessRequestRow}, tags=["access"])
    def post(self, request: Request, owner: str, name: str) -> Response:
        """Ask the owner of a gated learnware to let you use it."""
        asked = AccessAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        made = access.ask(seen(request, owner, name), request.user, asked.validated_data["words"])
        return Response(AccessRequestRow(made).data, status=status.HTTP_201_CREATED)


class AccessRequestOne(APIView):
    scopes = {"POST": "upload"}

    @extend_schema(request=AccessDecision, responses=AccessRequestRow, tags=["access"])
    def post(self, request: Request, owner: str, name: str, request_id: int) -> Response:
        """Grant or deny a request; to deny one that was granted takes the access back."""
        learnware = seen(request, owner, name)
        access.insist_on_writer(learnware, request.user)
        decision = AccessDecision(data=request.data)
        decision.is_valid(raise_exception=True)
        asked = get_object_or_404(AccessRequest.objects.select_related("learnware__owner", "user"), pk=request_id, learnware=learnware)
        return Response(AccessRequestRow(access.decide(asked, request.user, decision.validated_data["state"])).data)


def seen(request: Request, owner: str, name: str) -> Learnware:
    """A learnware of which somebody may see a version; 404 for everybody else, as if it were not there."""
    version = Version.objects.visible_to(request.user).select_related("learnware__owner").filter(learnware__owner__username=owner, learnware__name=name).first()
    if version is None:
        raise Http404
    return version.learnware


def _settings(learnware: Learnware) -> Response:
    shared = learnware.shares.order_by("user__username").values_list("user__username", flat=True)
    said = {"learnware": learnware, "shared_with": list(shared), "requests": learnware.access_requests.select_related("user")}
    return Response(AccessSettings(said).data)
