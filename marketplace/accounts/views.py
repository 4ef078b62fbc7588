"""Pages about who: sign-up, sign-in, sign-out, API tokens."""

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from marketplace.accounts import forms, services
from marketplace.accounts.models import SCOPES, ApiToken

sign_in = LoginView.as_view(
    template_name="accounts/sign_in.html", authentication_form=forms.SignIn, redirect_authenticated_user=True
)
sign_out = LogoutView.as_view()


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("mine")
    form = forms.SignUp(request.POST or None)
    wanted = request.POST.get("next") or request.GET.get("next", "")
    if request.method == "POST" and form.is_valid():
        login(request, form.save())
        messages.success(request, f"Welcome aboard, {request.user.username}. Your account is ready.")
        return redirect(wanted if _is_ours(request, wanted) else "mine")
    return render(request, "accounts/sign_up.html", {"form": form, "next": wanted}, status=_status(form))


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The user's tokens; a new one is shown once, in the answer that made it."""
    form = forms.NewToken(request.POST or None)
    secret = made = None
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        made, secret = services.create_token(request.user, asked["name"], asked["scopes"], asked["days"])
        form = forms.NewToken()
    held = ApiToken.objects.filter(user=request.user)
    context = {"form": form, "tokens": held, "secret": secret, "made": made, "words": SCOPES, "now": timezone.now()}
    return render(request, "accounts/tokens.html", context, status=_status(form))


@login_required
@require_POST
def revoke_token(request: HttpRequest, pk: str) -> HttpResponse:
    token = get_object_or_404(ApiToken, pk=pk, user=request.user)
    token.delete()
    messages.success(request, f"The token “{token.name}” is revoked. Whatever used it is locked out from now on.")
    return redirect("tokens")


def _status(form) -> int:
    return 422 if form.is_bound and form.errors else 200


def _is_ours(request: HttpRequest, address: str) -> bool:
    return bool(address) and url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
