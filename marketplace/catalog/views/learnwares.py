"""Pages about one learnware: its versions and what differs between them, the state of its check, its withdrawal."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRefresh

from marketplace.accounts.services import may_write
from marketplace.catalog import access, differing, lineage, picturing, services, showing, talking, tensors
from marketplace.catalog.models import Learnware, Version
from marketplace.rest import Refused

COMMENTS = 50  # on a page


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
        .select_related("model", "specification", "statistics")
        .filter(learnware__owner__username=owner, learnware__name=name)
    )


def _show(request: HttpRequest, version: Version) -> HttpResponse:
    learnware = version.learnware
    showing.renew_card(version)
    showing.renew_card(learnware)
    stands = access.page_of(request.user, version)
    versions = _numbered(Version.objects.visible_to(request.user).filter(learnware=learnware).defer("manifest", "report", "words", "card_html"))
    graph = lineage.of(version, request.user)
    rows = tensors.of(version)
    before = _before(version, versions)
    trying = showing.try_template() if version.status == Version.Status.USABLE else None
    context = {
        "version": version,
        "learnware": learnware,
        "is_owner": stands["may_write"],
        **stands,
        "liked": request.user.is_authenticated and learnware.likes.filter(user=request.user).exists(),
        "jobs": version.used_in.values("job").distinct().count(),
        "versions": versions,
        "before": before,
        "drift": differing.drift(before, version) if before else None,
        "tabs": [tab for tab in showing.TABS if tab[0] != "try" or trying],
        "trying": trying,
        "own_card": request.GET.get("card") == "version" or not learnware.card_html,
        "format_words": showing.FORMATS.get(version.format, ""),
        "column_count": len(version.space.document["columns"]),
        "checked": showing.checked(version),
        "evaluation": showing.evaluation(version),
        "graph": picturing.lineage(graph),
        "lineage": lineage.groups(graph),
        "left_out": graph.left_out,
        "files": showing.files(version),
        "groups": tensors.folded(rows[: tensors.MOST_ROWS]),
        "tensor_count": len(rows),
        "tensors_shown": min(len(rows), tensors.MOST_ROWS),
        "snippets": showing.snippets(request, version),
        **discussion(request, learnware),
        **showing.drawn(version.specification_id),
    }
    return render(request, "catalog/version.html", context)


def discussion(request: HttpRequest, learnware: Learnware) -> dict[str, Any]:
    """One page of the comments that a visitor may see, oldest or newest first."""
    newest_first = request.GET.get("comments") == "newest"
    said = talking.comments(learnware, request.user)
    page = Paginator(said.order_by("-created" if newest_first else "created"), COMMENTS).get_page(request.GET.get("comments_page"))
    return {"comments": page, "newest_first": newest_first}


def _numbered(versions: QuerySet[Version]) -> list[Version]:
    """Newest number first; a number orders as a number."""
    return sorted(versions, key=_number, reverse=True)


def _number(version: Version) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.number.split("."))


def _before(version: Version, versions: list[Version]) -> Version | None:
    """The version that this one followed, among those that were ever usable."""
    fit = (Version.Status.USABLE, Version.Status.WITHDRAWN)
    return next((other for other in versions if _number(other) < _number(version) and other.status in fit), None)


@require_GET
def difference(request: HttpRequest, owner: str, name: str, old: str = "", new: str = "") -> HttpResponse:
    """What changed between two versions; without numbers, a form that asks for them."""
    seen = _seen(request, owner, name)
    if not old:
        chosen = request.GET.get("old", ""), request.GET.get("new", "")
        if all(chosen) and seen.filter(number__in=chosen).exists():
            return redirect("difference", owner, name, *chosen)
    versions = _numbered(seen)
    if not versions:
        raise Http404(f"No learnware {owner}/{name} is offered.")
    numbers = {held.number: held for held in versions}
    context = {"learnware": versions[0].learnware, "versions": versions, "old": numbers.get(old), "new": numbers.get(new)}
    if old or new:
        if context["old"] is None or context["new"] is None:
            raise Http404(f"{owner}/{name} has no versions {old} and {new}.")
        found = differing.difference(numbers[old], numbers[new], request.user)
        context |= {"found": found, "tables": differing.tables(found)}
    return render(request, "catalog/difference.html", context)


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
        messages.success(request, gettext("%(reference)s is withdrawn: nobody finds it any more. Links to it still work.") % {"reference": version.reference})
    return redirect(version.get_absolute_url())
