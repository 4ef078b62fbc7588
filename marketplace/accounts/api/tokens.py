"""REST: tokens, and who one is."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle
from rest_framework.views import APIView

from marketplace.accounts import factors, guarding, services
from marketplace.accounts.models import ApiToken
from marketplace.accounts.permissions import HasScope
from marketplace.accounts.serializers import NewToken, TokenChange, TokenRequest, TokenRow, WhoAmI
from marketplace.errors import Refused


class TokenRate(AnonRateThrottle):
    """Passwords can not be tried fast."""

    scope = "tokens"


class TokenList(APIView):
    scopes = {"GET": "admin"}

    def get_permissions(self) -> list:
        return [AllowAny()] if self.request.method == "POST" else [HasScope()]

    def get_authenticators(self) -> list:
        return [] if self.request and self.request.method == "POST" else super().get_authenticators()

    def get_authenticate_header(self, request: Request) -> str:
        # A wrong password is 401 here too, though nobody reads a token at this door.
        return "Token"

    def get_throttles(self) -> list:
        return [TokenRate()] if self.request.method == "POST" else []

    @extend_schema(responses=TokenRow(many=True), tags=["accounts"])
    def get(self, request: Request) -> Response:
        """Your tokens; their secrets are not kept."""
        return Response(TokenRow(ApiToken.objects.filter(user=request.user), many=True).data)

    @extend_schema(request=TokenRequest, responses={201: NewToken}, auth=[], tags=["accounts"])
    def post(self, request: Request) -> Response:
        """Make a token with a user name and a password, and a code where the account has a second factor (401, `code-needed`). The secret is shown this once."""
        asked = TokenRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        user = guarding.check_password(request._request, wanted["username"], wanted["password"])
        if user is None:
            raise AuthenticationFailed("No account has this user name and password.")
        if factors.has(user):
            if not wanted["code"]:
                raise Refused("code-needed", "This account has a second factor.", hint="Send `code` too: six digits of the authenticator, or a recovery code.", status=401,
                              fields={"code": "Needed."})
            factors.check(user, wanted["code"])
        token, secret = services.create_token(user, wanted["name"], wanted["scopes"], wanted["days"])
        token.secret = secret
        return Response(NewToken(token).data, status=status.HTTP_201_CREATED)


class TokenDetail(APIView):
    scopes = {"PATCH": "admin", "DELETE": "admin"}

    @extend_schema(request=TokenChange, responses=TokenRow, tags=["accounts"])
    def patch(self, request: Request, token_id: str) -> Response:
        """Give one of your tokens another name, other scopes, or a validity of `days` from now."""
        token = get_object_or_404(ApiToken, user=request.user, token_key=token_id)
        asked = TokenChange(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(TokenRow(services.change_token(token, **asked.validated_data)).data)

    @extend_schema(responses={204: None}, tags=["accounts"])
    def delete(self, request: Request, token_id: str) -> Response:
        """Revoke one of your tokens."""
        services.revoke_token(get_object_or_404(ApiToken, user=request.user, token_key=token_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class Me(APIView):
    @extend_schema(responses=WhoAmI, tags=["accounts"])
    def get(self, request: Request) -> Response:
        """Who you are, and by which token."""
        token = request.auth and {"name": request.auth.name, "scopes": request.auth.scopes}
        return Response({"username": request.user.username, "token": token})
