"""Pages about who: sign-up, sign-in, sign-out."""

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from marketplace.accounts import forms
from marketplace.accounts.views.answers import status

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
    return render(request, "accounts/sign_up.html", {"form": form, "next": wanted}, status=status(form))


def _is_ours(request: HttpRequest, address: str) -> bool:
    return bool(address) and url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
