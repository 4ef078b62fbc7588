"""Pages to offer: upload, drafts, and what is one's own."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from marketplace.accounts.models import User
from marketplace.catalog import continuing, forms, quota, services, uploading
from marketplace.catalog.models import Draft, Version
from marketplace.rest import Refused
from reuse import ReuseError
from specs import SpecError


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """The form, empty, from a draft (?draft=id) or from the last version of a learnware (?new=owner/name)."""
    draft = _draft(request, request.GET["draft"]) if "draft" in request.GET else None
    before = _before(request, request.GET.get("new") or (draft.document.get("new") if draft else None))
    initial = continuing.initial(before, draft, request.user)
    given = (request.POST, request.FILES) if request.method == "POST" else ()
    form = forms.Upload(*given, author=request.user, kept=before, initial=initial)
    refusal = None
    if form.is_bound and form.is_valid():
        try:
            version = services.submit(owner=request.user, **form.submission())
        except (Refused, ReuseError, SpecError) as error:
            refusal = error
        else:
            if draft is not None:
                uploading.discard(draft)
            return HttpResponseRedirect(version.get_absolute_url())
    wrong = refusal is not None or (form.is_bound and form.errors)
    context = {"max_bytes": settings.MAX_MODEL_BYTES, "form": form, "refusal": refusal, "draft": draft, "before": before, "numbers": continuing.next_numbers(before) if before else []}
    if draft is None and before is None:
        context |= _going_on(request.user)
    context["rooms"] = _rooms(request.user)
    context["wanted"] = _uuid(request.GET.get("request") or (draft.document.get("request") if draft else None))
    return render(request, "catalog/upload.html", context, status=422 if wrong else 200)


@login_required
@never_cache
@require_GET
def mine(request: HttpRequest) -> HttpResponse:
    """What one has offered, alone or for an organisation, by its state; and what is on its way."""
    acting = User.objects.acts_for(request.user)
    held = Version.objects.filter(learnware__owner__in=acting).whole().annotate(jobs=Count("used_in")).order_by("-created")
    counts = dict(Version.objects.filter(learnware__owner__in=acting).order_by().values_list("status").annotate(n=Count("pk")))
    state = request.GET.get("state", "")
    if state in Version.Status.values:
        held = held.filter(status=state)
    paginator = Paginator(held, 50)
    page = paginator.get_page(request.GET.get("page"))
    context = {
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=1),
        "state": state,
        "states": [("", gettext("all"), sum(counts.values())), *((value, words, counts[value]) for value, words in Version.Status.choices if value in counts)],
        "several_owners": acting.count() > 1,
        "rooms": _rooms(request.user),
        **_going_on(request.user),
    }
    return render(request, "catalog/mine.html", context)


@login_required
@require_POST
def discard_draft(request: HttpRequest, pk: UUID) -> HttpResponse:
    uploading.discard(_draft(request, pk))
    messages.success(request, gettext("The draft is thrown away, with the files that had arrived for it."))
    return redirect("mine")


@login_required
@require_POST
def cancel_upload(request: HttpRequest, pk: UUID) -> HttpResponse:
    try:
        upload = uploading.find(request.user, pk)
    except Refused:
        raise Http404 from None
    uploading.remove(upload)
    messages.success(request, gettext("The upload of %(name)s is cancelled, and its bytes are removed.") % {"name": upload.name})
    return redirect("mine")


def _draft(request: HttpRequest, pk: Any) -> Draft:
    try:
        return get_object_or_404(Draft, author=request.user, pk=UUID(str(pk)))
    except ValueError:
        raise Http404 from None


def _uuid(text: Any) -> UUID | None:
    """The request of the board that an offer answers, where its address names one; the board itself says what it is."""
    try:
        return UUID(str(text))
    except ValueError:
        return None


def _before(request: HttpRequest, named: Any) -> Version | None:
    """The version that a new one follows: the latest of a learnware that one may write for."""
    if not named:
        return None
    owner, _, name = str(named).partition("/")
    versions = Version.objects.whole().filter(learnware__owner__in=User.objects.acts_for(request.user), learnware__owner__username=owner, learnware__name=name)
    found = versions.filter(is_latest=True).first() or versions.order_by("-created").first()
    if found is None:
        raise Http404
    return found


def _rooms(user: User) -> list[tuple[User, quota.Room]]:
    """How full the rooms are that one's offers go into: one's own, then those of organisations."""
    acting = sorted(User.objects.acts_for(user), key=lambda account: (account.pk != user.pk, account.username))
    return [(account, quota.room(account)) for account in acting]


def _going_on(user: User) -> dict[str, Any]:
    """Drafts, and uploads that no draft holds and that are not whole."""
    return {
        "drafts": [continuing.line(draft) for draft in Draft.objects.filter(author=user).prefetch_related("uploads")],
        "uploads": [(upload, upload.offset / upload.size) for upload in uploading.held_by(user).filter(drafts=None, offset__lt=F("size"))],
    }
