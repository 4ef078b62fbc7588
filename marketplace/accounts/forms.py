"""Forms of the account pages, and the look that all forms share."""

from django import forms
from django.contrib.auth.forms import AuthenticationForm, BaseUserCreationForm
from django.core.validators import RegexValidator

from marketplace.accounts.models import SCOPES, User


class Styled:
    """Gives each control of a form its Bootstrap class and marks the wrong ones."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            widget = field.widget
            if isinstance(widget, forms.Select) and not isinstance(widget, forms.RadioSelect):
                look = "form-select"
            elif isinstance(widget, forms.CheckboxInput | forms.CheckboxSelectMultiple | forms.RadioSelect):
                look = "form-check-input"
            elif isinstance(widget, forms.FileInput):
                look = ""
            else:
                look = "form-control"
            if self.is_bound and name in self.errors:
                look += " is-invalid"
            widget.attrs["class"] = f"{widget.attrs.get('class', '')} {look}".strip()


class SignUp(Styled, BaseUserCreationForm):
    username = forms.CharField(
        label="User name",
        max_length=39,
        validators=[
            RegexValidator(
                r"^[a-z0-9][a-z0-9_-]{1,38}\Z",
                "Use 2 to 39 small letters, digits, - and _, beginning with a letter or digit.",
            )
        ],
        help_text="The first half of your learnwares' names: user-name/model.",
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    email = forms.EmailField(label="E-mail", required=False, widget=forms.EmailInput(attrs={"autocomplete": "email"}))

    class Meta:
        model = User
        fields = ("username", "email")

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].help_text = "At least 8 characters, not only digits, and not a common password."
        self.fields["password2"].help_text = ""
        self.fields["password2"].label = "Password again"

    def clean_username(self) -> str:
        username = self.cleaned_data["username"]
        if User.objects.filter(username__iexact=username).exists():
            raise forms.ValidationError(f"The name {username} is taken. Choose another.")
        return username


class SignIn(Styled, AuthenticationForm):
    error_messages = {
        "invalid_login": "No account has this user name and password. Mind capitals, or create an account.",
        "inactive": "This account is closed.",
    }


class NewToken(Styled, forms.Form):
    name = forms.CharField(
        max_length=80, help_text="Where it will be used, such as “laptop” or “training server”."
    )
    scopes = forms.MultipleChoiceField(
        choices=[(scope, words) for scope, words in SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
        initial=["read", "upload", "run"],
        help_text="What whoever holds the token may do.",
    )
    days = forms.TypedChoiceField(
        label="Valid for",
        coerce=int,
        choices=[(30, "30 days"), (90, "90 days"), (365, "one year")],
        initial=90,
    )
