"""Pages about who: sign-up, sign-in with its second step, sign-out."""

import time
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from marketplace import languages
from marketplace.accounts import audit, factors, forms, guarding, mailing
from marketplace.accounts.models import User
from marketplace.accounts.views.answers import blame, refused, status
from marketplace.errors import Refused

HALF_IN, HALF_IN_S = "half-in", 600  # between the two steps of a sign-in


class SignIn(LoginView):
    template_name = "accounts/sign_in.html"
    authentication_form = forms.SignIn
    redirect_authenticated_user = True

    @method_decorator(csrf_protect)
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().post(request, *args, **kwargs)
        except Refused as refusal:
            return refused(request, self.template_name, {"form": forms.SignIn(request), "next": self.get_redirect_url()}, refusal)

    def form_valid(self, form: forms.SignIn) -> HttpResponse:
        user = form.get_user()
        if factors.has(user):
            # No session of the person yet: only a note of who gave the password, and when.
            self.request.session[HALF_IN] = {"user": user.pk, "at": time.time(), "hash": user.get_session_auth_hash(), "next": self.get_redirect_url()}
            return redirect("second-step")
        return HttpResponseRedirect(_let_in(self.request, user, self.get_success_url()))


class SignOut(LogoutView):
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            audit.note("signed-out", actor=request.user)
        return super().post(request, *args, **kwargs)


sign_in, sign_out = SignIn.as_view(), SignOut.as_view()


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def second_step(request: HttpRequest) -> HttpResponse:
    """After the password, where the account has a second factor: a code of it."""
    half_in = request.session.get(HALF_IN) or {}
    user = User.objects.filter(pk=half_in.get("user"), is_active=True).first()
    # A password that was changed in between ends this, too.
    if user is None or time.time() - half_in["at"] > HALF_IN_S or half_in["hash"] != user.get_session_auth_hash():
        request.session.pop(HALF_IN, None)
        return redirect("sign-in")
    form = forms.Code(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            factors.check(user, form.cleaned_data["code"])
        except Refused as refusal:
            if refusal.status == 429:
                return refused(request, "accounts/second_step.html", {"form": form}, refusal)
            blame(form, refusal)
        else:
            del request.session[HALF_IN]
            wanted = half_in["next"]
            return HttpResponseRedirect(_let_in(request, user, wanted if _is_ours(request, wanted) else resolve_url(settings.LOGIN_REDIRECT_URL)))
    return render(request, "accounts/second_step.html", {"form": form}, status=status(form))


@never_cache
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """The admin site has no sign-in of its own: it would know neither lock-out nor second factor."""
    if request.user.is_authenticated:
        if not request.user.is_staff:
            raise PermissionDenied
        return redirect("admin:index")
    return redirect(f"{resolve_url('sign-in')}?{urlencode({'next': request.GET.get('next') or resolve_url('admin:index')})}")


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("mine")
    form = forms.SignUp(request.POST or None)
    wanted = request.POST.get("next") or request.GET.get("next", "")
    if request.method == "POST" and form.is_valid():
        try:
            # The account first: who may make none should use up no letter of somebody else's address.
            guarding.count_account(request)
            if form.cleaned_data["email"]:
                guarding.count_letter(request, form.cleaned_data["email"])
        except Refused as refusal:
            return refused(request, "accounts/sign_up.html", {"form": form, "next": wanted}, refusal)
        with transaction.atomic():
            form.instance.language = languages.current()
            user = form.save()
            mailing.ask_to_confirm(user)
            audit.note("account-made", actor=user)
        login(request, user)
        messages.success(request, gettext("Welcome aboard, %(name)s. Your account is ready.") % {"name": request.user.username})
        return redirect(wanted if _is_ours(request, wanted) else "mine")
    return render(request, "accounts/sign_up.html", {"form": form, "next": wanted}, status=status(form))


def _let_in(request: HttpRequest, user: User, wanted: str) -> str:
    """Sign somebody in, under a session key that nobody knew before; returns where to go."""
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    audit.note("signed-in", actor=user)
    return resolve_url("second-factor") if factors.is_missing(user) else wanted


def _is_ours(request: HttpRequest, address: str) -> bool:
    return bool(address) and url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
