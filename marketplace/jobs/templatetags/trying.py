"""What `jobs/_try.html` needs of a learnware or a job, so that a page which includes it need not know."""

from typing import Any

from django import template

from marketplace.jobs import forms
from marketplace.jobs import trying as limits
from specs import SpecError
from storage import ArtifactMissing

register = template.Library()


@register.simple_tag
def rows_form(version: Any = None, job: Any = None) -> forms.Rows | None:
    """Sample rows to edit; None where the specification can not be read."""
    try:
        return forms.Rows(version.specification_id if version else forms.specification_of(job))
    except (ArtifactMissing, SpecError):
        return None


@register.simple_tag
def trial_limits() -> dict[str, int]:
    return {"rows": limits.MAX_ROWS, "mb": limits.MAX_BYTES >> 20, "shown": limits.SHOWN}
