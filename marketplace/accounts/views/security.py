"""The page of an account's security: password, address, second factor, sessions, and what happened of late."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from marketplace.accounts import audit, factors, forms, guarding, mailing, services
from marketplace.accounts.models import AuditEvent
from marketplace.accounts.views.answers import blame, refused, status
from marketplace.errors import Refused

PER_PAGE = 50


@never_cache
@login_required
@require_GET
def security(request: HttpRequest) -> HttpResponse:
    context = {"has_factor": factors.has(request.user), "codes_left": factors.left(request.user), "events": _told(audit.of(request.user)[:5], request)}
    return render(request, "accounts/security.html", context)


@never_cache
@login_required
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """A new password; every other session ends."""
    try:
        form = forms.ChangePassword(request, request.POST or None)
        if request.method == "POST" and form.is_valid():
            services.set_password(request.user, form.cleaned_data["password2"], request=request, revoke_tokens=form.cleaned_data["revoke_tokens"])
            messages.success(request, _("The password is changed, and you are signed out everywhere else."))
            return redirect("security")
    except Refused as refusal:
        return refused(request, "accounts/password.html", {"form": forms.ChangePassword(request)}, refusal)
    return render(request, "accounts/password.html", {"form": form}, status=status(form))


@never_cache
@login_required
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def email(request: HttpRequest) -> HttpResponse:
    """Another address, or another letter that asks to confirm the one that stands."""
    try:
        form = forms.Address(request, request.POST or None, initial={"email": request.user.email})
        if request.method == "POST" and form.is_valid():
            guarding.count_letter(request, form.cleaned_data["email"] or request.user.username)
            services.change_email(request.user, form.cleaned_data["email"])
            if form.cleaned_data["email"] and not request.user.email_confirmed:
                messages.success(request, _("A letter is on its way to that address. Follow its link, and the address counts."))
            return redirect("security")
    except Refused as refusal:
        return refused(request, "accounts/email.html", {"form": forms.Address(request, initial={"email": request.user.email})}, refusal)
    return render(request, "accounts/email.html", {"form": form}, status=status(form))


@never_cache
@require_http_methods(["GET", "POST"])
def confirm_email(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Where the link of a letter leads. A POST confirms: what only fetches links, such as a mail scanner, confirms nothing."""
    user = mailing.read_link(uid, token, mailing.confirming)
    if user is None:
        return render(request, "accounts/link_over.html", {"what": "email"}, status=410)
    if request.method == "POST":
        services.confirm_email(user)
        messages.success(request, _("The address is confirmed."))
        return redirect("security" if request.user.is_authenticated else "home")
    return render(request, "accounts/email_confirm.html", {"address": user.email, "person": user})


@never_cache
@require_http_methods(["GET", "POST"])
def ask_reset(request: HttpRequest) -> HttpResponse:
    """A link to a new password, by mail. The answer is the same whether anybody has the address or not."""
    form = forms.Letter(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            guarding.count_letter(request, form.cleaned_data["email"])
        except Refused as refusal:
            return refused(request, "accounts/reset.html", {"form": forms.Letter()}, refusal)
        mailing.offer_reset(form.cleaned_data["email"])
        return render(request, "accounts/reset.html", {"sent": True})
    return render(request, "accounts/reset.html", {"form": form}, status=status(form))


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def set_by_link(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Where that link leads: a new password. It signs nobody in, so a second factor is asked for as ever."""
    user = mailing.read_link(uid, token, mailing.resetting)
    if user is None:
        return render(request, "accounts/link_over.html", {"what": "password"}, status=410)
    form = forms.SetPassword(user, request.POST or None, initial={"revoke_tokens": True})
    if request.method == "POST" and form.is_valid():
        services.set_password(user, form.cleaned_data["password2"], revoke_tokens=form.cleaned_data["revoke_tokens"], by_letter=True)
        messages.success(request, _("The password is set. Sign in with it."))
        return redirect("sign-in")
    return render(request, "accounts/reset_set.html", {"form": form, "person": user}, status=status(form))


@never_cache
@login_required
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """Set up an authenticator: a picture to scan, and the first code of it. The recovery codes stand in the answer, this once."""
    context = {"must": factors.is_missing(request.user)}
    form = forms.Code(request.POST or None)
    try:
        secret = factors.begin(request.user)
        if request.method == "POST" and form.is_valid():
            codes = factors.confirm(request.user, form.cleaned_data["code"])
            services.update_session_auth_hash(request, request.user)
            return render(request, "accounts/second_factor.html", {"codes": codes})
    except Refused as refusal:
        if refusal.code == "second-factor-held":
            return redirect("security")
        if refusal.status == 429:
            return refused(request, "accounts/second_factor.html", context, refusal)
        blame(form, refusal)
    address = factors.address(request.user, secret)
    # The picture is ours, made of the address alone: squares and two colours.
    context |= {"form": form, "secret": " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)), "address": address, "picture": mark_safe(factors.picture(address))}
    return render(request, "accounts/second_factor.html", context, status=status(form))


@never_cache
@login_required
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def second_factor_off(request: HttpRequest) -> HttpResponse:
    """Take the factor away, with a code of it."""
    return _with_code(request, "accounts/second_factor_off.html", lambda code: factors.remove(request.user, code), _("The second factor is taken away."))


@never_cache
@login_required
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """New recovery codes in place of the old ones, with a code of the factor."""
    return _with_code(request, "accounts/recovery_codes.html", lambda code: factors.new_codes(request.user, code), "")


@login_required
@require_POST
def end_sessions(request: HttpRequest) -> HttpResponse:
    services.end_sessions(request.user, request=request)
    messages.success(request, _("You are signed out everywhere but here. API tokens stay: revoke them on their page."))
    return redirect("security")


@never_cache
@login_required
@require_GET
def events(request: HttpRequest) -> HttpResponse:
    """One's own part of the audit log."""
    paginator = Paginator(audit.of(request.user), PER_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    context = {"page": page, "events": _told(page.object_list, request), "numbers": paginator.get_elided_page_range(page.number, on_each_side=1)}
    return render(request, "accounts/events.html", context)


def _with_code(request: HttpRequest, template: str, deed, done: str) -> HttpResponse:
    if not factors.has(request.user):
        return redirect("security")
    form = forms.Code(request.POST or None)
    context = {"form": form, "codes_left": factors.left(request.user)}
    if request.method == "POST" and form.is_valid():
        try:
            codes = deed(form.cleaned_data["code"])
        except Refused as refusal:
            if refusal.status == 429:
                return refused(request, template, context, refusal)
            blame(form, refusal)
        else:
            services.update_session_auth_hash(request, request.user)
            if codes:
                return render(request, template, {"codes": codes})
            messages.success(request, done)
            return redirect("security")
    return render(request, template, context, status=status(form))


def _told(found: list[AuditEvent], request: HttpRequest) -> list[dict]:
    """Events as a person reads them: what, to what, by whom, and whether from where they are now."""
    here = audit.hashed(audit.origins.current().address)
    return [
        {"event": event, "words": audit.WORDS.get(event.action, event.action), "object": event.object.partition(":")[2] or event.object, "is_mine": event.actor == request.user.pk, "is_here": bool(event.origin) and event.origin == here}
        for event in found
    ]
