"""The form that offers a job's result again."""

from django import forms

from marketplace.accounts.forms import Styled


class Offer(Styled, forms.Form):
    name = forms.SlugField(max_length=80, help_text="Small letters, digits and hyphens.")
    version = forms.CharField(max_length=20, initial="1.0.0")
    title = forms.CharField(max_length=160, required=False)
    card = forms.CharField(required=False, max_length=64 * 1024, widget=forms.Textarea(attrs={"rows": 4}), help_text="Markdown. Its lineage and its scores are added by the market.")
