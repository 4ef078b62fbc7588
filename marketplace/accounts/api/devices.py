"""REST: signing in a device that has no browser (RFC 8628)."""

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle
from rest_framework.views import APIView

from marketplace.accounts import devices
from marketplace.accounts.api.tokens import TokenRate
from marketplace.accounts.serializers import DeviceAnswer, DeviceAsked, DeviceRequest, DeviceTokenMade

NOT_KEPT = {"Cache-Control": "no-store"}  # RFC 8628, 3.2 and 3.5: no cache keeps a secret


class DeviceRate(AnonRateThrottle):
    """Waiting devices ask every few seconds; codes have 256 bits, so this guards the database, not them."""

    scope = "device"


class DeviceCode(APIView):
    authentication_classes: list = []
    permission_classes = [AllowAny]
    throttle_classes = [TokenRate]

    @extend_schema(request=DeviceRequest, responses=DeviceAnswer, auth=[], tags=["accounts"])
    def post(self, request: Request) -> Response:
        """Begin a login on a device without a browser: show `user_code`, and ask POST /device/token every `interval` seconds with `device_code`."""
        asked = DeviceRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        grant, secret = devices.ask(asked.validated_data["name"], asked.validated_data["scopes"])
        page = request.build_absolute_uri(reverse("device"))
        answer = {
            "device_code": secret,
            "user_code": grant.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={grant.user_code}",
            "expires_in": round((grant.expires - grant.created).total_seconds()),
            "interval": devices.INTERVAL_S,
        }
        return Response(DeviceAnswer(answer).data, headers=NOT_KEPT)


class DeviceToken(APIView):
    authentication_classes: list = []
    permission_classes = [AllowAny]
    throttle_classes = [DeviceRate]

    @extend_schema(request=DeviceAsked, responses=DeviceTokenMade, auth=[], tags=["accounts"])
    def post(self, request: Request) -> Response:
        """The token, once a person has let the device in. Until then 400 with `code` authorization_pending or slow_down; access_denied and expired_token end it."""
        asked = DeviceAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        token, secret = devices.take(asked.validated_data["device_code"])
        token.secret = secret
        return Response(DeviceTokenMade(token).data, headers=NOT_KEPT)
