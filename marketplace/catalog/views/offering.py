"""Pages to offer: upload, and what is one's own."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods

from marketplace.catalog import forms, services
from marketplace.catalog.models import Version
from marketplace.rest import Refused
from reuse import ReuseError
from specs import SpecError


@login_required
@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    form = forms.Upload(request.POST, request.FILES) if request.method == "POST" else forms.Upload()
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            version = services.submit(owner=request.user, **form.submission(request.user))
        except (Refused, ReuseError, SpecError) as error:
            refusal = error
        else:
            return HttpResponseRedirect(version.get_absolute_url())
    wrong = refusal is not None or (form.is_bound and form.errors)
    return render(request, "catalog/upload.html", {"form": form, "refusal": refusal}, status=422 if wrong else 200)


@login_required
@require_GET
def mine(request: HttpRequest) -> HttpResponse:
    held = Version.objects.filter(learnware__owner=request.user).whole().annotate(jobs=Count("used_in")).order_by("-created")
    paginator = Paginator(held, 50)
    page = paginator.get_page(request.GET.get("page"))
    numbers = paginator.get_elided_page_range(page.number, on_each_side=1)
    return render(request, "catalog/mine.html", {"page": page, "numbers": numbers})
