"""Pages about access: what an owner opens to whom, and the form with which a visitor asks."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from marketplace.accounts.services import may_write
from marketplace.catalog import access as services
from marketplace.catalog import forms
from marketplace.catalog.access_api import seen
from marketplace.catalog.models import AccessRequest, Learnware
from marketplace.errors import Refused


@never_cache
@login_required
@require_GET
def access(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    return _page(request, _ours(request, owner, name))


@login_required
@require_POST
def change(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Public or private, gated or not."""
    learnware = _ours(request, owner, name)
    try:
        services.change(learnware, request.user, visibility=request.POST.get("visibility", ""), gated="is_gated" in request.POST)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _stands(learnware))
    return redirect("access", owner, name)


@login_required
@require_POST
def share(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    learnware = _ours(request, owner, name)
    form = forms.Share(request.POST)
    if form.is_valid():
        try:
            made = services.share(learnware, request.user, form.cleaned_data["username"])
        except Refused as refusal:
            form.add_error("username", str(refusal))
        else:
            messages.success(request, gettext("%(name)s sees it now.") % {"name": made.user.username})
            return redirect("access", owner, name)
    return _page(request, learnware, share_form=form, status=422)


@login_required
@require_POST
def unshare(request: HttpRequest, owner: str, name: str, username: str) -> HttpResponse:
    services.unshare(_ours(request, owner, name), request.user, username)
    messages.success(request, gettext("It is no longer shared with %(name)s.") % {"name": username})
    return redirect("access", owner, name)


@login_required
@require_POST
def decide(request: HttpRequest, owner: str, name: str, pk: int) -> HttpResponse:
    learnware = _ours(request, owner, name)
    asked = get_object_or_404(AccessRequest.objects.select_related("learnware__owner", "user"), pk=pk, learnware=learnware)
    try:
        services.decide(asked, request.user, request.POST.get("state", ""))
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        is_in = asked.state == AccessRequest.State.GRANTED
        said = gettext("%(name)s may use it now, and is told so.") if is_in else gettext("%(name)s may not use it, and is told so.")
        messages.success(request, said % {"name": asked.user.username})
    return redirect("access", owner, name)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def ask(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """The form of a visitor, and what became of it."""
    learnware = seen(request, owner, name)
    form = forms.Ask(request.POST or None)
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            services.ask(learnware, request.user, form.cleaned_data["words"])
        except Refused as error:
            refusal = error
        else:
            return redirect("access-ask", owner, name)
    mine = learnware.access_requests.filter(user=request.user).first()
    context = {"learnware": learnware, "form": form, "refusal": refusal, "standing": services.standing(request.user, learnware), "mine": mine, "ask_again": services.ask_again(mine)}
    return render(request, "catalog/ask.html", context, status=refusal.status if refusal else 422 if form.errors else 200)


def _ours(request: HttpRequest, owner: str, name: str) -> Learnware:
    learnware = seen(request, owner, name)
    if not may_write(request.user, learnware.owner):
        raise PermissionDenied
    return learnware


def _page(request: HttpRequest, learnware: Learnware, *, share_form: forms.Share | None = None, status: int = 200) -> HttpResponse:
    asked = list(learnware.access_requests.select_related("user"))
    context = {
        "learnware": learnware,
        "visibilities": Learnware.Visibility.choices,
        "shares": learnware.shares.select_related("user").order_by("user__username"),
        "share_form": share_form or forms.Share(),
        **{state: [one for one in asked if one.state == state] for state in AccessRequest.State.values},
    }
    return render(request, "catalog/access.html", context, status=status)


def _stands(learnware: Learnware) -> str:
    """How open a learnware is now, in one sentence."""
    said = {
        ("public", False): gettext("%(learnware)s is public now, and not gated."), ("public", True): gettext("%(learnware)s is public now, and gated."),
        ("private", False): gettext("%(learnware)s is private now, and not gated."), ("private", True): gettext("%(learnware)s is private now, and gated."),
    }
    return said[str(learnware.visibility), learnware.is_gated] % {"learnware": learnware}
