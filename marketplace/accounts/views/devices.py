"""Letting a device in: a person types the code that it shows, sees what it asks for, and decides."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from marketplace.accounts import devices, forms
from marketplace.accounts.models import SCOPES
from marketplace.errors import Refused


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def device(request: HttpRequest) -> HttpResponse:
    """Without a code: the field for it. With one: which device, which scopes. A POST decides."""
    came = request.POST if request.method == "POST" else request.GET
    code = came.get("user_code", "")[:20]
    context = {"form": forms.DeviceCode(initial={"user_code": code}), "words": SCOPES}
    if not code:
        return render(request, "accounts/device.html", context)
    try:
        if request.method == "POST":
            grant = devices.decide(request.user, code, allow=request.POST.get("decision") == "allow")
        else:
            grant = devices.find(request.user, code)
    except Refused as refusal:
        return render(request, "accounts/device.html", context | {"refusal": refusal}, status=refusal.status)
    return render(request, "accounts/device.html", context | {"grant": grant})
