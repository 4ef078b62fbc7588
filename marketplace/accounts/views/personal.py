"""What the market holds of a person: to take along, and to end."""

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from marketplace.accounts import factors, forms, personal
from marketplace.accounts.views.answers import blame, refused, status
from marketplace.errors import Refused


@never_cache
@login_required
@require_POST
def export(request: HttpRequest) -> HttpResponse:
    """A zip of JSON files: all that the market holds of the person, and where their files are."""
    return FileResponse(personal.export(request.user), as_attachment=True, filename=f"moorage-{request.user.username}.zip", content_type="application/zip")


@never_cache
@login_required
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest) -> HttpResponse:
    """What would happen, and, with user name, password and code, that it does."""
    has_factor = factors.has(request.user)
    template, context = "accounts/delete.html", {"has_factor": has_factor, "stays": personal.stays(request.user)}
    form = None
    try:
        form = forms.Farewell(request, request.POST or None)
        if request.method == "POST" and form.is_valid():
            factors.check(request.user, form.cleaned_data["code"])
            personal.delete(request.user)
            logout(request)
            messages.success(request, _("Your account is deleted."))
            return redirect("home")
    except Refused as refusal:
        if refusal.status == 429:
            return refused(request, template, context | {"form": forms.Farewell(request)}, refusal)
        blame(form, refusal)
    return render(request, template, context | {"form": form}, status=status(form))
