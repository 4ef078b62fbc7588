"""Pages about one learnware: its versions, the state of its check, its withdrawal."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRefresh

from marketplace.accounts.services import may_write
from marketplace.catalog import access, services, showing
from marketplace.catalog.models import Version
from marketplace.rest import Refused


@require_GET
def learnware(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """The newest usable version; where there is none, the newest that the visitor may see."""
    seen = _seen(request, owner, name)
    version = seen.filter(is_latest=True).first() or seen.order_by("-created").first()
    if version is None:
        raise Http404(f"No learnware {owner}/{name} is offered.")
    return _show(request, version)


@require_GET
def version(request: HttpRequest, owner: str, name: str, number: str) -> HttpResponse:
    return _show(request, get_object_or_404(_seen(request, owner, name), number=number))


def _seen(request: HttpRequest, owner: str, name: str) -> QuerySet[Version]:
    return (
        Version.objects.visible_to(request.user)
        .whole()
        .select_related("model", "specification", "statistics", "base__learnware__owner")
        .filter(learnware__owner__username=owner, learnware__name=name)
    )


def _show(request: HttpRequest, version: Version) -> HttpResponse:
    public = Version.objects.visible_to(request.user).whole()
    version = (
        Version.objects.whole()
        .select_related("model", "specification", "statistics")
        .prefetch_related(Prefetch("base", public), Prefetch("parents", public), Prefetch("children", public), Prefetch("fine_tuned", public))
        .annotate(jobs=Count("used_in", distinct=True))
        .get(pk=version.pk)
    )
    context = {
        "version": version,
        "is_owner": may_write(request.user, version.learnware.owner),
        **access.page_of(request.user, version),
        "versions": Version.objects.visible_to(request.user).filter(learnware=version.learnware),
        "tabs": showing.TABS,
        "column_count": len(version.space.document["columns"]),
        "evaluation": showing.evaluation(version),
        "lineage": showing.lineage(version),
        "files": showing.files(version),
        "snippets": showing.snippets(request, version),
        **showing.drawn(version.specification_id),
    }
    return render(request, "catalog/version.html", context)


@never_cache
@require_GET
def version_status(request: HttpRequest, owner: str, name: str, number: str) -> HttpResponse:
    """The banner that the page of a version asks for again while the check runs."""
    version = get_object_or_404(_seen(request, owner, name), number=number)
    if version.status != Version.Status.CHECKING:
        return HttpResponseClientRefresh()
    return render(request, "catalog/_checking.html", {"version": version})


@login_required
@require_POST
def withdraw(request: HttpRequest, owner: str, name: str, number: str) -> HttpResponse:
    version = get_object_or_404(_seen(request, owner, name), number=number)
    if not may_write(request.user, version.learnware.owner):
        raise Http404
    try:
        services.withdraw(version, request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{version.reference} is withdrawn: nobody finds it any more. Links to it still work.")
    return redirect(version.get_absolute_url())
