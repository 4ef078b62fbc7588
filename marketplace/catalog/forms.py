"""The form that offers a learnware: three files, or two and the words of the third."""

import hashlib
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from marketplace.accounts.forms import Styled
from marketplace.accounts.models import User
from marketplace.catalog import artifacts
from marketplace.catalog.models import Version
from reuse.manifest import FORMAT, LICENCES, MAX_BYTES
from specs import SpecError, strict_json


class Upload(Styled, forms.Form):
    """`author` offers; `kept` is the version whose specification stands where none is brought."""

    model = forms.FileField(label=_("Model"), help_text=_("safetensors, skops, ONNX, XGBoost JSON or LightGBM text. The type is read from the file's structure."))
    specification = forms.FileField(label=_("Specification"), help_text=_("specification.json, made by `moorage describe` where your data is."))
    manifest = forms.FileField(
        label=_("Manifest"), required=False, help_text=_("learnware.json, as the client writes it. Without one, fill in the fields below.")
    )
    statistics = forms.FileField(
        label=_("Statistics"), required=False, help_text=_("Only for safetensors: what RegMean and Fisher need in place of data."),
    )
    owner = forms.ChoiceField(required=False, label=_("Owner"), help_text=_("You, or an organisation that you write for."))
    visibility = forms.ChoiceField(required=False, label=_("Who sees it"), choices=[("public", _("Everybody")), ("private", _("The owner and those it is shared with"))])
    name = forms.SlugField(max_length=80, required=False, label=_("Name"), help_text=_("Small letters, digits and hyphens."))
    version = forms.CharField(max_length=20, required=False, label=_("Version"), initial="1.0.0")
    title = forms.CharField(max_length=160, required=False, label=_("Title"))
    task = forms.ChoiceField(required=False, label=_("Task"), choices=[("", _("Choose")), ("classification", _("Classification")), ("regression", _("Regression"))])
    target = forms.CharField(max_length=120, required=False, label=_("Target"), help_text=_("What the model predicts."))
    classes = forms.CharField(required=False, label=_("Classes"), help_text=_("For a classifier: its classes in order, separated by commas."))
    unit = forms.CharField(max_length=40, required=False, label=_("Unit"), help_text=_("For a regression: the unit of the target."))
    takes = forms.ChoiceField(
        required=False, label=_("Takes"), choices=[("columns", _("Raw columns, as in the table")), ("coordinates", _("Coordinates of the space"))]
    )
    architecture = forms.CharField(
        required=False, label=_("Architecture"), widget=forms.Textarea(attrs={"rows": 2, "class": "mono", "spellcheck": "false"}),
        help_text=_('For safetensors, such as {"name": "mlp", "config": {"inputs": 8, "hidden": [32], "outputs": 3}}.'),
    )
    licence = forms.ChoiceField(required=False, label=_("Licence"), choices=[(name, name) for name in LICENCES])
    card = forms.CharField(required=False, label=_("Card"), max_length=64 * 1024, widget=forms.Textarea(attrs={"rows": 8}), help_text=_("Markdown: what it does, on which data, how well."))

    def __init__(self, *args: Any, author: User, kept: Version | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.author, self.kept = author, kept
        names = sorted(User.objects.acts_for(author).values_list("username", flat=True), key=lambda name: (name != author.username, name))
        self.fields["owner"].choices = [(name, gettext("%(name)s (you)") % {"name": name} if name == author.username else name) for name in names]
        if kept is not None:
            self.fields["specification"].required = False
            self.fields["specification"].help_text = gettext("Without one, that of %(reference)s is kept.") % {"reference": kept.reference}

    def clean_manifest(self) -> Any:
        file = self.cleaned_data["manifest"]
        if file and file.size > MAX_BYTES:
            raise forms.ValidationError(gettext("learnware.json has at most %(most)s bytes; this file has %(size)s.") % {"most": f"{MAX_BYTES:,}", "size": f"{file.size:,}"})
        return file

    def clean_architecture(self) -> dict | None:
        text = self.cleaned_data["architecture"].strip()
        if not text:
            return None
        try:
            return strict_json.loads(text.encode(), most=MAX_BYTES, what="The architecture")
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None

    def clean(self) -> dict:
        given = super().clean()
        if not given.get("manifest") and "manifest" not in self.errors:
            for field in ("name", "version", "task", "target", "licence"):
                if not given.get(field) and field not in self.errors:
                    self.add_error(field, _("Fill this in, or bring a learnware.json."))
        return given

    def submission(self) -> dict[str, Any]:
        """What the service takes."""
        given = self.cleaned_data
        specification = given["specification"].read() if given["specification"] else artifacts.read(self.kept.specification_id)
        manifest = self._named(given["manifest"].read()) if given["manifest"] else self._manifest(given, specification)
        return {"manifest": manifest, "model": given["model"], "specification": specification, "statistics": given["statistics"] or None, "visibility": given["visibility"]}

    def _named(self, manifest: bytes) -> bytes | dict[str, Any]:
        """learnware.json, in the name of the owner that was chosen where it names none."""
        chosen = self.cleaned_data["owner"]
        if chosen in ("", self.author.username):
            return manifest
        try:
            document = strict_json.loads(manifest, most=MAX_BYTES, what="learnware.json")
        except SpecError:
            return manifest  # the service says what is wrong with it
        return document | {"owner": document.get("owner") or chosen} if isinstance(document, dict) else manifest

    def _manifest(self, given: dict, specification: bytes) -> dict[str, Any]:
        from marketplace.catalog.opening import format_of
        from specs import Specification

        classes = [name.strip() for name in given["classes"].split(",") if name.strip()]
        output: dict[str, Any] = {"kind": "classes", "target": given["target"], "classes": classes}
        if given["task"] == "regression":
            output = {"kind": "value", "target": given["target"], "unit": given["unit"] or None}
        sha = hashlib.sha256()
        for part in given["model"].chunks():
            sha.update(part)
        name = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-" for letter in given["model"].name)[-80:].lstrip("._-")
        return {
            "format": FORMAT, "name": given["name"], "owner": given["owner"], "version": given["version"], "title": given["title"], "task": given["task"],
            "input": {"space": Specification.from_bytes(specification).space.id, "takes": given["takes"] or "columns"},
            "output": output, "licence": given["licence"], "base": None, "parents": [], "card": given["card"], "evaluation": {}, "scenario": [],
            "model": {"format": format_of(given["model"]), "file": name or "model", "sha256": sha.hexdigest(), "size": given["model"].size,
                      "architecture": given["architecture"]},
        }


class Share(Styled, forms.Form):
    username = forms.CharField(
        max_length=150, label=_("User name"), help_text=_("Of a person, or of an organisation and so all its members."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
    )


class Ask(Styled, forms.Form):
    words = forms.CharField(max_length=1_000, required=False, label=_("What for"), widget=forms.Textarea(attrs={"rows": 4}),
                            help_text=_("Who you are, and what you need it for. The owner reads it with your user name."))
