"""What a person is told: the list, and the way from a notice to what it speaks of."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from marketplace.accounts import notices
from marketplace.accounts.models import Notification

PER_PAGE = 30


@never_cache
@login_required
@require_GET
def notifications(request: HttpRequest) -> HttpResponse:
    paginator = Paginator(Notification.objects.filter(recipient=request.user), PER_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    return render(request, "accounts/notifications.html", {"page": page, "numbers": paginator.get_elided_page_range(page.number, on_each_side=1)})


@never_cache
@login_required
@require_GET
def follow(request: HttpRequest, pk: UUID) -> HttpResponse:
    """To what a notice speaks of; it counts as read from then on."""
    notice = get_object_or_404(Notification, pk=pk, recipient=request.user)
    notices.mark_read(request.user, [pk])
    # Only paths of this site are kept; `//elsewhere` would be another host.
    is_ours = notice.address.startswith("/") and not notice.address.startswith(("//", "/\\"))
    return redirect(notice.address if is_ours else "notifications")


@login_required
@require_POST
def mark_read(request: HttpRequest) -> HttpResponse:
    """One, where the form names it; else all of them."""
    try:
        ids = [UUID(request.POST["id"])] if "id" in request.POST else None
    except ValueError:
        return redirect("notifications")
    notices.mark_read(request.user, ids)
    return redirect("notifications")
