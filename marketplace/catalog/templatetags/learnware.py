"""Words of the learnware's page."""

from typing import Any

from django import template

from marketplace.catalog.templatetags.moorage import figure

register = template.Library()


@register.filter
def plainly(value: Any) -> str:
    """A value of a manifest as a person reads it: numbers short, lists in a row, objects as name and value."""
    if value is None or value == "":
        return "–"
    if isinstance(value, dict):
        return ", ".join(f"{key} {plainly(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(plainly(inner) for inner in value)
    return figure(value) if isinstance(value, float) else str(value)
