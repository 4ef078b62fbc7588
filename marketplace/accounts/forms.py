"""Forms of the account pages, and the look that all forms share."""

from django import forms
from django.contrib.auth.forms import AuthenticationForm, BaseUserCreationForm
from django.core.validators import RegexValidator, URLValidator

from marketplace.accounts import services
from marketplace.accounts.models import SCOPES, User
from marketplace.accounts.organisations import ROLES


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


class NewName(forms.CharField):
    """A user name that nobody has yet, of a person or an organisation."""

    widget = forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"})

    def __init__(self, **options) -> None:
        super().__init__(max_length=39, validators=[RegexValidator(rf"^{services.NAME.pattern}\Z", services.NAME_RULE)], **options)

    def clean(self, value: str) -> str:
        name = super().clean(value)
        if services.is_taken(name):
            raise forms.ValidationError(f"The name {name} is taken. Choose another.")
        return name


class SignUp(Styled, BaseUserCreationForm):
    username = NewName(label="User name", help_text="The first half of your learnwares' names: user-name/model.")
    email = forms.EmailField(label="E-mail", required=False, widget=forms.EmailInput(attrs={"autocomplete": "email"}))

    class Meta:
        model = User
        fields = ("username", "email")

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].help_text = "At least 8 characters, not only digits, and not a common password."
        self.fields["password2"].help_text = ""
        self.fields["password2"].label = "Password again"


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


class Profile(Styled, forms.ModelForm):
    """What a person or an organisation says of itself."""

    link = forms.URLField(
        required=False, assume_scheme="https", validators=[URLValidator(schemes=["http", "https"])],
        widget=forms.URLInput(attrs={"autocomplete": "url"}), help_text="A home page, beginning with https://.",
    )

    class Meta:
        model = User
        fields = ("title", "about", "link")
        labels = {"title": "Name", "about": "About"}
        help_texts = {"title": "Shown above the user name.", "about": "Markdown, up to 2,000 characters."}
        widgets = {"about": forms.Textarea(attrs={"rows": 6})}


class NewOrganisation(Profile):
    username = NewName(label="User name", help_text="The first half of its learnwares' names: user-name/model. It can not be changed.")

    field_order = ("username", "title", "about", "link")


class NewMember(Styled, forms.Form):
    username = forms.CharField(max_length=150, label="User name", widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}))
    role = forms.ChoiceField(choices=[(role, role) for role in ROLES])


class DeviceCode(Styled, forms.Form):
    user_code = forms.CharField(
        max_length=20, label="Code", help_text="Eight letters, as the device shows them: ABCD-EFGH.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autocapitalize": "characters", "spellcheck": "false", "class": "mono"}),
    )
