"""Pages of organisations: found one, its words, its members, invitations, its end."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from marketplace.accounts import forms, organisations
from marketplace.accounts.models import Invitation, User
from marketplace.accounts.views.answers import blame, status
from marketplace.errors import Refused


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    form = forms.NewOrganisation(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            organisation = organisations.create(by=request.user, **form.cleaned_data)
        except Refused as refusal:
            blame(form, refusal)
        else:
            messages.success(request, _("%(name)s is founded, and you are its admin. Add its members next.") % {"name": organisation.username})
            return redirect("members", organisation.username)
    return render(request, "accounts/organisation_new.html", {"form": form}, status=status(form))


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, username: str) -> HttpResponse:
    organisation = _for_admins(request, username)
    form = forms.Profile(request.POST or None, instance=organisation)
    if request.method == "POST" and form.is_valid():
        organisations.change(organisation, request.user, **form.cleaned_data)
        messages.success(request, _("The profile is saved."))
        return redirect("profile", username)
    context = {"form": form, "organisation": organisation, "owns": organisation.learnwares.count()}
    return render(request, "accounts/organisation_edit.html", context, status=status(form))


@login_required
@require_POST
def delete(request: HttpRequest, username: str) -> HttpResponse:
    organisation = _for_admins(request, username)
    try:
        organisations.delete(organisation, request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("organisation-edit", username)
    messages.success(request, _("%(name)s is deleted.") % {"name": username})
    return redirect("profile", request.user.username)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def members(request: HttpRequest, username: str) -> HttpResponse:
    """Who belongs to it, for its members; its admins invite others here."""
    organisation = get_object_or_404(User, username=username, kind=User.Kind.ORGANISATION)
    role = organisations.role_of(organisation, request.user)
    if not role and not request.user.is_staff:
        raise PermissionDenied
    form = forms.NewMember(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = organisations.invite(organisation, request.user, **form.cleaned_data)
        except Refused as refusal:
            blame(form, refusal)
        else:
            messages.success(request, _("%(name)s is invited, and a member as soon as they accept.") % {"name": made.user.username})
            return redirect("members", username)
    context = {
        "form": form,
        "organisation": organisation,
        "members": organisation.members.select_related("user"),
        "invited": organisation.invitations_sent.select_related("user", "by"),
        "is_admin": organisations.is_admin(organisation, request.user),
        "role": role,
        "roles": organisations.ROLES,
    }
    return render(request, "accounts/members.html", context, status=status(form))


@login_required
@require_POST
def set_role(request: HttpRequest, username: str, member: str) -> HttpResponse:
    organisation = get_object_or_404(User, username=username, kind=User.Kind.ORGANISATION)
    try:
        changed = organisations.set_role(organisation, request.user, username=member, role=request.POST.get("role", ""))
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("%(name)s is a %(role)s now.") % {"name": member, "role": changed.get_role_display()})
    return redirect("members", username)


@login_required
@require_POST
def remove(request: HttpRequest, username: str, member: str) -> HttpResponse:
    """Take a member out, or leave."""
    organisation = get_object_or_404(User, username=username, kind=User.Kind.ORGANISATION)
    try:
        organisations.remove(organisation, request.user, username=member)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("members", username)
    if member == request.user.username:
        messages.success(request, _("You have left %(name)s.") % {"name": username})
        return redirect("profile", username)
    messages.success(request, _("%(name)s is no member any more.") % {"name": member})
    return redirect("members", username)


@never_cache
@login_required
@require_GET
def invitations(request: HttpRequest) -> HttpResponse:
    """Which organisations want the visitor as a member."""
    waiting = Invitation.objects.filter(user=request.user).select_related("organisation", "by")
    return render(request, "accounts/invitations.html", {"invitations": waiting, "roles": organisations.ROLES})


@login_required
@require_POST
def answer_invitation(request: HttpRequest, username: str) -> HttpResponse:
    """Yes or no to the invitation of an organisation."""
    invitation = get_object_or_404(Invitation, user=request.user, organisation__username=username)
    try:
        if request.POST.get("answer") == "accept":
            organisations.accept(invitation, request.user)
            messages.success(request, _("You are a member of %(name)s now.") % {"name": username})
            return redirect("profile", username)
        organisations.decline(invitation, request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The invitation is declined."))
    return redirect("invitations")


@login_required
@require_POST
def take_back(request: HttpRequest, username: str, member: str) -> HttpResponse:
    """Take back an invitation that was not answered."""
    organisation = get_object_or_404(User, username=username, kind=User.Kind.ORGANISATION)
    try:
        organisations.take_back(organisation, request.user, username=member)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The invitation is taken back."))
    return redirect("members", username)


def _for_admins(request: HttpRequest, username: str) -> User:
    organisation = get_object_or_404(User, username=username, kind=User.Kind.ORGANISATION)
    if not organisations.is_admin(organisation, request.user):
        raise PermissionDenied
    return organisation
