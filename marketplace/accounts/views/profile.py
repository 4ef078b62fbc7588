"""What a person says of themself. The page that shows it is the catalog's: it lists what they offer."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from marketplace.accounts import forms
from marketplace.accounts.views.answers import status


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest) -> HttpResponse:
    form = forms.Profile(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, gettext("Your profile is saved."))
        return redirect("profile", request.user.username)
    if form.errors:
        request.user.refresh_from_db()  # the form has put what is wrong onto it, and the top bar shows it
    return render(request, "accounts/profile_edit.html", {"form": form}, status=status(form))
