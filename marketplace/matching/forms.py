"""The form that brings a requirement: a file, pasted JSON, or a learnware's own specification."""

from django import forms
from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from marketplace.accounts.forms import Styled
from reuse.manifest import MODEL_FORMATS
from specs import strict_json

MAX_TYPED = 1 << 20  # bytes of JSON that a form takes as text


class Requirement(Styled, forms.Form):
    specification = forms.FileField(
        required=False,
        label=_("Specification file"),
        widget=forms.FileInput(attrs={"accept": ".json,application/json"}),
    )
    pasted = forms.CharField(
        required=False,
        label=_("Or paste it"),
        strip=True,
        widget=forms.Textarea(
            attrs={"rows": 4, "class": "mono", "spellcheck": "false", "placeholder": '{"format": "moorage.specification/1", …}'}
        ),
    )
    example = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)

    task = forms.ChoiceField(
        required=False,
        label=_("Task"),
        choices=[("", _("Any")), ("classification", _("Classification")), ("regression", _("Regression"))],
    )
    target = forms.CharField(required=False, max_length=120, label=_("Target"), help_text=_("What the model should predict, by its name."))
    format = forms.ChoiceField(
        required=False,
        label=_("Format"),
        choices=[("", _("Any")), *((name, name) for name in MODEL_FORMATS)],
    )
    licence = forms.CharField(required=False, max_length=40, label=_("Licence"), help_text=_("An SPDX name such as Apache-2.0."))
    q = forms.CharField(required=False, max_length=120, label=_("Words"))

    FILTERS = ("task", "target", "format", "licence", "q")

    def clean_specification(self):
        file = self.cleaned_data["specification"]
        if file and file.size > settings.MAX_SPECIFICATION_BYTES:
            most = settings.MAX_SPECIFICATION_BYTES // 2**20
            raise forms.ValidationError(
                gettext("A specification has at most %(most)s MB; this file has %(size)s MB. Is it the data itself? Run `moorage describe` on it first.")
                % {"most": most, "size": file.size // 2**20}
            )
        return file

    def clean(self) -> dict:
        given = super().clean()
        if not self.errors and not (given.get("specification") or given.get("pasted") or given.get("example")):
            raise forms.ValidationError(_("Bring a specification: choose a file, paste its JSON, or try an example."))
        return given

    def filters(self) -> dict[str, str]:
        """The words that narrow the search, without the empty ones."""
        return {key: self.cleaned_data[key] for key in self.FILTERS if self.cleaned_data.get(key)}


class Reuse(Styled, forms.Form):
    """What the page of a match asks for before a job; marketplace.jobs reads it."""

    data = forms.FileField(required=False, label=_("Labelled rows"), widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}))
    target = forms.CharField(required=False, max_length=120, label=_("Column with the labels"))
    rows = forms.FileField(required=False, label=_("Rows without labels"), widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
                           help_text=_("To distil on, and to see how far the models disagree."))
    method = forms.ChoiceField(
        label=_("Method"),
        required=False,
        choices=lambda: _choices(),
        widget=forms.Select(attrs={"data-shows": "method-"}),
    )
    members = forms.CharField(required=False, max_length=8_000, widget=forms.HiddenInput)  # chosen on the page; without them the match proposes
    params = forms.CharField(required=False, max_length=2_000, label=_("Parameters"), widget=forms.TextInput(attrs={"class": "mono", "placeholder": '{"alpha": 0.3}', "spellcheck": "false"}),
                             help_text=_("Of the method, as JSON. What is left out is chosen on your labels, or has its default."))

    def clean_members(self) -> list | None:
        text = self.cleaned_data["members"].strip()
        try:
            found = strict_json.loads(text.encode(), most=MAX_TYPED, what="The members") if text else None
        except ValueError:
            found = ()
        if found is not None and not isinstance(found, list):
            raise forms.ValidationError(_("The members must be a list; choose them on the page of the match."))
        return found

    def clean_params(self) -> dict:
        text = self.cleaned_data["params"].strip()
        try:
            found = strict_json.loads(text.encode(), most=MAX_TYPED, what="Parameters") if text else {}
        except ValueError as error:
            raise forms.ValidationError(gettext('%(error)s For example: {"alpha": 0.3}') % {"error": error}) from None
        if not isinstance(found, dict):
            raise forms.ValidationError(_('Parameters must be an object, such as {"alpha": 0.3}.'))
        return found


KINDS = {
    "ensemble": _("Ensemble: models stay as they are"), "merge": _("Merge: one model of the same size"), "finetune": _("Fine-tune: train one further"),
    "distil": _("Compact"), "scratch": _("For comparison"),
}


def _choices() -> list:
    """Automatic first, then the methods by kind."""
    named = [(words, [(address, title.partition(":")[0]) for address, title in methods]) for words, methods in method_lines() if words]
    return [("auto", gettext("Automatic: measure and choose")), *named]


def method_lines() -> list[tuple[str, list[tuple[str, str]]]]:
    """(kind in words, [(address, what it does in one line)]) of all methods, automatic first and of no kind."""
    from reuse import registry

    groups: dict[str, list[tuple[str, str]]] = {kind: [] for kind in KINDS}
    for method in registry.every():
        if method.kind in KINDS:
            groups[method.kind].append((method.address, method.title))
    automatic = ("", [("auto", gettext("With labels every method that applies is compared, training from scratch among them; without, each row goes to the models that know such data."))])
    return [automatic, *((str(KINDS[kind]), methods) for kind, methods in groups.items() if methods)]


class Ask(Styled, forms.Form):
    """A request for a model: what is published beside the outline of the data."""

    title = forms.CharField(max_length=120, label=_("Title"), help_text=_("What the model is for, in a few words."), widget=forms.TextInput(attrs={"placeholder": _("Prices of large diamonds")}))
    task = forms.ChoiceField(label=_("Task"), choices=[("classification", _("Classification")), ("regression", _("Regression"))])
    target = forms.CharField(max_length=120, label=_("Target"), help_text=_("What the model should predict, by its name."))
    unit = forms.CharField(max_length=40, required=False, label=_("Unit"), help_text=_("Of the target, where it is a number: EUR, kWh, days."))
    words = forms.CharField(max_length=2_000, required=False, label=_("More words"), widget=forms.Textarea(attrs={"rows": 4}),
                            help_text=_("What you would use it for, what it must not do, which licence would suit you."))
    is_anonymous = forms.BooleanField(required=False, label=_("Leave my name out"), help_text=_("Everybody sees the request, nobody sees who asks."))


class Board(Styled, forms.Form):
    """The filters of the request board."""

    q = forms.CharField(required=False, max_length=120, label=_("Words"), widget=forms.TextInput(attrs={"type": "search", "placeholder": _("A title, a target, a space")}))
    task = forms.ChoiceField(required=False, label=_("Task"), choices=[("", _("Any task")), ("classification", _("Classification")), ("regression", _("Regression"))])
    state = forms.ChoiceField(required=False, label=_("State"), choices=[("", _("Open")), ("met", _("Met")), ("closed", _("Closed"))])
    sort = forms.ChoiceField(required=False, label=_("Order"), choices=[("", _("Newest")), ("least", _("Least served")), ("oldest", _("Longest open"))])
