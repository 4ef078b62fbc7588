"""The page of a person's API tokens."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from marketplace.accounts import forms, services
from marketplace.accounts.models import SCOPES, ApiToken
from marketplace.accounts.views.answers import blame, status
from marketplace.errors import Refused


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The user's tokens; a new one is shown once, in the answer that made it."""
    form = forms.NewToken(request.POST or None)
    secret = made = None
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        try:
            made, secret = services.create_token(request.user, asked["name"], asked["scopes"], asked["days"])
            form = forms.NewToken()
        except Refused as refusal:
            blame(form, refusal)
    held = ApiToken.objects.filter(user=request.user)
    context = {"form": form, "tokens": held, "secret": secret, "made": made, "words": SCOPES, "now": timezone.now()}
    return render(request, "accounts/tokens.html", context, status=status(form))


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def change_token(request: HttpRequest, key: str) -> HttpResponse:
    """Another name, other scopes, another end."""
    token = get_object_or_404(ApiToken, token_key=key, user=request.user)
    form = forms.ChangedToken(request.POST or None, initial={"name": token.name, "scopes": token.scopes})
    if request.method == "POST" and form.is_valid():
        services.change_token(token, **form.cleaned_data)
        messages.success(request, _("The token “%(name)s” is changed.") % {"name": token.name})
        return redirect("tokens")
    return render(request, "accounts/token.html", {"form": form, "token": token, "now": timezone.now()}, status=status(form))


@login_required
@require_POST
def revoke_token(request: HttpRequest, key: str) -> HttpResponse:
    token = get_object_or_404(ApiToken, token_key=key, user=request.user)
    services.revoke_token(token)
    messages.success(request, _("The token “%(name)s” is revoked. Whatever used it is locked out from now on.") % {"name": token.name})
    return redirect("tokens")
