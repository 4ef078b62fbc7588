"""What visitors say on a learnware's page: likes, comments, reports, and the owner's card. Each works as a plain form; htmx swaps the part in place."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from marketplace.accounts.forms import Styled
from marketplace.accounts.services import may_write
from marketplace.catalog import talking
from marketplace.catalog.access_api import seen
from marketplace.catalog.models import Comment, Learnware, Report, Version
from marketplace.catalog.views.learnwares import discussion
from marketplace.errors import Refused
from reuse.manifest import MAX_CARD


class Card(Styled, forms.Form):
    card = forms.CharField(
        required=False, max_length=MAX_CARD, label=gettext_lazy("Card"), strip=False, widget=forms.Textarea(attrs={"rows": 18, "class": "mono", "spellcheck": "true"}),
        help_text=gettext_lazy("Markdown. Pictures stand in the card itself, as data:image/png;base64. Empty: each version shows its own card."),
    )


class Complaint(Styled, forms.Form):
    reason = forms.ChoiceField(label=gettext_lazy("What is wrong?"), choices=Report.Reason.choices, widget=forms.RadioSelect)
    words = forms.CharField(
        required=False, max_length=talking.MAX_WORDS, label=gettext_lazy("In your words"), widget=forms.Textarea(attrs={"rows": 4}), help_text=gettext_lazy("What you saw and where, so that a moderator can see it too."),
    )


@login_required
@require_POST
def like(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Like it, or take the like back."""
    learnware = seen(request, owner, name)
    wanted = request.POST.get("like") != "0"
    (talking.like if wanted else talking.unlike)(learnware, request.user)
    if request.htmx:
        return render(request, "catalog/_version_like.html", {"learnware": learnware, "liked": wanted})
    return redirect(learnware)


# --- comments ---------------------------------------------------------------------------------


@login_required
@require_POST
def say(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    learnware = seen(request, owner, name)
    words = request.POST.get("words", "")
    return _done(request, learnware, lambda: talking.say(learnware, request.user, words), draft=words)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def reword(request: HttpRequest, owner: str, name: str, pk: UUID) -> HttpResponse:
    """Change one's own comment, on a page of its own."""
    comment = _comment(request, owner, name, pk)
    if comment.author_id != request.user.pk:
        raise PermissionDenied
    context = {"comment": comment, "learnware": comment.learnware, "words": request.POST.get("words", comment.words)}
    if request.method == "POST":
        try:
            talking.reword(comment, request.user, request.POST.get("words", ""))
        except Refused as refusal:
            return render(request, "catalog/comment.html", context | {"refusal": refusal}, status=refusal.status)
        return redirect(_address(comment.learnware))
    return render(request, "catalog/comment.html", context)


@login_required
@require_POST
def unsay(request: HttpRequest, owner: str, name: str, pk: UUID) -> HttpResponse:
    comment = _comment(request, owner, name, pk)
    return _done(request, comment.learnware, lambda: talking.unsay(comment, request.user))


@login_required
@require_POST
def hide(request: HttpRequest, owner: str, name: str, pk: UUID) -> HttpResponse:
    """Hide a comment, or show it again."""
    comment = _comment(request, owner, name, pk)
    return _done(request, comment.learnware, lambda: talking.hide(comment, request.user, hidden=request.POST.get("hidden") != "0"))


def _comment(request: HttpRequest, owner: str, name: str, pk: UUID) -> Comment:
    return get_object_or_404(talking.comments(seen(request, owner, name), request.user).select_related("learnware__owner"), pk=pk)


def _done(request: HttpRequest, learnware: Learnware, deed: Callable[[], Any], *, draft: str = "") -> HttpResponse:
    """Do it, and answer with the discussion as it is then: the part of the page, or the page."""
    refusal = None
    try:
        deed()
    except Refused as error:
        refusal = error
    if request.htmx:
        context = {"learnware": learnware, "refusal": refusal, "draft": draft if refusal else "", "may_write": may_write(request.user, learnware.owner), **discussion(request, learnware)}
        return render(request, "catalog/_version_discussion.html", context)
    if refusal is not None:
        messages.error(request, str(refusal))
    return redirect(_address(learnware))


def _address(learnware: Learnware) -> str:
    return f"{learnware.get_absolute_url()}#discussion"


# --- reports ----------------------------------------------------------------------------------


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def complain(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Report a learnware, or with ?comment=… a comment on it."""
    learnware = seen(request, owner, name)
    comment = _reported(request, learnware)
    form = Complaint(request.POST if request.method == "POST" else None)
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            talking.complain(learnware, request.user, comment=comment, **form.cleaned_data)
        except Refused as error:
            refusal = error
        else:
            messages.success(request, gettext("Thank you. A moderator will look at it and you will be told what was decided."))
            return redirect(learnware)
    context = {"learnware": learnware, "comment": comment, "form": form, "refusal": refusal}
    return render(request, "catalog/report.html", context, status=refusal.status if refusal else 422 if form.errors else 200)


def _reported(request: HttpRequest, learnware: Learnware) -> Comment | None:
    asked = request.GET.get("comment")
    if not asked:
        return None
    try:
        return get_object_or_404(talking.comments(learnware, request.user), pk=UUID(asked))
    except ValueError:
        return get_object_or_404(Comment.objects.none())


# --- the owner's card -------------------------------------------------------------------------


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def card(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Write the card that stands in for those of the versions; `preview` shows it and keeps nothing."""
    learnware = seen(request, owner, name)
    if not may_write(request.user, learnware.owner):
        raise PermissionDenied
    form = Card(request.POST if request.method == "POST" else None, initial={"card": learnware.card or _newest_card(learnware)})
    preview = None
    if request.method == "POST" and form.is_valid():
        written = form.cleaned_data["card"]
        if "preview" not in request.POST:
            talking.write_card(learnware, request.user, written)
            messages.success(request, gettext("The card is changed.") if learnware.card else gettext("Each version shows its own card again."))
            return redirect(learnware)
        try:
            preview = talking.preview(request.user, written)
        except Refused as refusal:
            form.add_error("card", f"{refusal.message} {refusal.hint}")
    context = {"learnware": learnware, "form": form, "preview": preview}
    if request.htmx:
        return render(request, "catalog/_card_preview.html", context)
    return render(request, "catalog/card.html", context, status=422 if form.errors else 200)


def _newest_card(learnware: Learnware) -> str:
    """Where the owner begins to write: with the card of the latest version."""
    newest = Version.objects.filter(learnware=learnware).order_by("-is_latest", "-created").values_list("manifest", flat=True).first()
    return (newest or {}).get("card", "")
