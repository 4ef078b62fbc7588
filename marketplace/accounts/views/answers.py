"""What the account pages answer alike."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from marketplace.errors import Refused


def status(form: Any) -> int:
    """422 where a form came and is wrong."""
    return 422 if form.is_bound and form.errors else 200


def blame(form: Any, refusal: Refused) -> None:
    """Write a service's refusal onto the form: beside the field that it names, else above them all."""
    field = next((name for name in refusal.fields if name in form.fields), None)
    form.add_error(field, f"{refusal.message} {refusal.hint}".strip())


def refused(request: HttpRequest, template: str, context: dict[str, Any], refusal: Refused) -> HttpResponse:
    """A page that shows a refusal above its form, with its status; with 429, in how many seconds to come again."""
    response = render(request, template, context | {"refusal": refusal}, status=refusal.status)
    if refusal.status == 429:
        response["Retry-After"] = str(refusal.retry_after)
    return response
