"""The page of a person or an organisation: what they say of themselves, and what they offer."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from marketplace.accounts import organisations
from marketplace.accounts.models import User
from marketplace.catalog import cards
from marketplace.catalog.models import Learnware, Version

PER_PAGE = 12


@require_GET
def profile(request: HttpRequest, username: str) -> HttpResponse:
    """Everything here, the counts too, is of what the visitor may see."""
    person = get_object_or_404(User, username=username, is_active=True)
    theirs = Version.objects.visible_to(request.user).filter(learnware__owner=person)
    paginator = Paginator(theirs.latest().whole().annotate(uses=Count("used_in", distinct=True)).order_by("-created", "pk"), PER_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    context = {
        "person": person,
        "about": cards.comment(person.about) if person.about else "",
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=1),
        "figures": _figures(theirs),
        "is_me": request.user == person,
        **_belonging(request, person),
    }
    return render(request, "catalog/profile.html", context)


def _figures(theirs: Any) -> dict[str, int]:
    plain = theirs.order_by()
    return {
        "jobs": plain.aggregate(n=Count("used_in__job", distinct=True))["n"],
        "downloads": plain.aggregate(n=Sum("downloads"))["n"] or 0,
        "likes": Learnware.objects.filter(pk__in=plain.values("learnware")).aggregate(n=Sum("likes_count"))["n"] or 0,
    }


def _belonging(request: HttpRequest, person: User) -> dict[str, Any]:
    """The members of an organisation, or the organisations of a person."""
    if person.is_organisation:
        return {
            "members": person.members.select_related("user"),
            "role": organisations.role_of(person, request.user),
            "is_admin": organisations.is_admin(person, request.user),
        }
    return {"memberships": person.memberships.select_related("organisation").order_by("organisation__username")}
