"""Forms about jobs: the list narrowed, a job again, its result offered, rows to try a model on."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from marketplace.accounts.forms import Styled
from marketplace.accounts.models import User
from marketplace.catalog import showing
from marketplace.catalog.models import Learnware
from marketplace.jobs import trying
from marketplace.jobs.models import ReuseJob
from marketplace.matching.forms import Reuse
from reuse.manifest import VERSION

EDITED = 100  # columns; more of them are no form
OPENED = 12  # columns; more of them are folded away


class _InTheNameOf(forms.Form):
    """A form that knows who fills it in, before any of its fields is read."""

    owner = forms.ChoiceField(label=_("In the name of"))

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = sorted(User.objects.acts_for(user).values_list("username", flat=True), key=lambda name: (name != user.username, name))
        self.fields["owner"].choices = [(name, gettext("%(name)s (you)") % {"name": name} if name == user.username else name) for name in names]
        if len(names) == 1:
            del self.fields["owner"]


class Offer(Styled, _InTheNameOf):
    """A job's result as a learnware of a person, or of an organisation that they write for."""

    name = forms.SlugField(max_length=80, label=_("Name"), help_text=_("Small letters, digits and hyphens."))
    version = forms.CharField(max_length=20, label=_("Version"), initial="1.0.0", validators=[RegexValidator(rf"^{VERSION.pattern}\Z", _("Three numbers, such as 1.0.0."))])
    visibility = forms.ChoiceField(choices=Learnware.Visibility.choices, label=_("Seen by"))
    title = forms.CharField(max_length=160, required=False, label=_("Title"))
    card = forms.CharField(required=False, label=_("Card"), max_length=64 * 1024, widget=forms.Textarea(attrs={"rows": 4}), help_text=_("Markdown. Left empty, the market writes one: what it is made of, how it was measured, what to doubt."))


class Again(Reuse):
    """A job with other settings: the rows that were sent for the first one are kept, unless others come."""

    field_order = ("method", "params", "target", "data", "rows")

    def __init__(self, job: ReuseJob, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["data"].label = _("Other labelled rows") if job.data_id else _("Labelled rows")
        self.fields["rows"].label = _("Other rows without labels") if job.rows_id else _("Rows without labels")


class Rows:
    """A few rows in a small table of inputs: as samples of a specification, or as they were posted.

    `lines` are the columns of the space, each with its inputs; none, where there are too many to edit.
    """

    def __init__(self, specification: str | None, posted: Any = None) -> None:
        self.specification, self.posted = specification, posted
        self.space = showing.specification(specification).space if specification else None
        self.made = trying.samples(specification) if specification else []
        self.count = len(self.made[0]) if self.made else 0

    @property
    def too_wide(self) -> bool:
        return self.space is not None and len(self.space.columns) > EDITED

    @property
    def is_short(self) -> bool:
        return self.space is not None and len(self.space.columns) <= OPENED

    @property
    def lines(self) -> list[dict[str, Any]]:
        if self.space is None or self.too_wide:
            return []
        return [{"name": column.name, "type": column.type, "unit": column.unit or "", "levels": column.levels,
                 "cells": [{"name": f"cell-{i}-{j}", "value": self._value(i, j), "row": j + 1} for j in range(self.count)]}
                for i, column in enumerate(self.space.columns)]

    def rows(self) -> dict[str, list[str | None]]:
        """{column: [values]} of what was posted; empty cells are values that are not known."""
        if self.space is None:
            return {}
        return {column.name: [self._value(i, j).strip() or None for j in range(self.count)] for i, column in enumerate(self.space.columns)}

    def _value(self, i: int, j: int) -> str:
        made = self.made[i][j]
        return str(self.posted.get(f"cell-{i}-{j}", made))[:200] if self.posted is not None and not self.too_wide else made


def specification_of(job: ReuseJob) -> str | None:
    """What sample rows for a job's result are made of: its requirement, else the data of its first member."""
    first = next(iter(job.members.all()), None)
    return job.requirement_id or (first.version.specification_id if first else None)
