"""Where the market asks its staff for a second factor, they get nowhere before they have one."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse

from marketplace.accounts import factors

OPEN = ("/accounts/", "/static/", "/health/", "/docs/")


class StaffNeedASecondFactor:
    """Sends staff who have no second factor to the page that sets one up; at the API their session opens nothing. Tokens are judged in `authentication`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # The cookie is looked at first: a request without a session costs nothing here.
        if request.path.startswith(OPEN) or settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.user.is_authenticated or not factors.is_missing(request.user):
            return self.get_response(request)
        if request.path.startswith("/api/"):
            refusal = factors.needed()
            said = {"code": refusal.code, "message": refusal.message, "hint": refusal.hint, "request_id": getattr(request, "request_id", "")}
            return JsonResponse(said, status=refusal.status)
        return redirect(reverse("second-factor"))
