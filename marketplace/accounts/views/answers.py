"""What the account pages answer alike."""

from typing import Any

from marketplace.errors import Refused


def status(form: Any) -> int:
    """422 where a form came and is wrong."""
    return 422 if form.is_bound and form.errors else 200


def blame(form: Any, refusal: Refused) -> None:
    """Write a service's refusal onto the form: beside the field that it names, else above them all."""
    field = next((name for name in refusal.fields if name in form.fields), None)
    form.add_error(field, f"{refusal.message} {refusal.hint}".strip())
