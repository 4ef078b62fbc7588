"""Forms of the account pages, and the look that all forms share."""

from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.contrib.auth.forms import AuthenticationForm, BaseUserCreationForm
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from marketplace.accounts import factors, guarding, services
from marketplace.accounts.models import SCOPES, Membership, User


class Styled:
    """Gives each control of a form its Bootstrap class and marks the wrong ones."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            widget = field.widget
            if isinstance(widget, forms.Select) and not isinstance(widget, forms.RadioSelect):
                look = "form-select"
            elif isinstance(widget, forms.CheckboxInput | forms.CheckboxSelectMultiple | forms.RadioSelect):
                look = "form-check-input"
            elif isinstance(widget, forms.FileInput):
                look = ""
            else:
                look = "form-control"
            widget.attrs["class"] = f"{widget.attrs.get('class', '')} {look}".strip()

    def add_error(self, field: str | None, error: Any) -> None:
        # Here and not above: a form that is cleaned while it is made keeps the labels and helps that it had until then.
        super().add_error(field, error)
        for name in self.errors.keys() & self.fields.keys():
            attrs = self.fields[name].widget.attrs
            if "is-invalid" not in attrs["class"]:
                attrs["class"] = f"{attrs['class']} is-invalid".strip()


class NewName(forms.CharField):
    """A user name that nobody has yet, of a person or an organisation."""

    widget = forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"})

    def __init__(self, **options) -> None:
        super().__init__(max_length=39, validators=[RegexValidator(rf"^{services.NAME.pattern}\Z", services.NAME_RULE)], **options)

    def clean(self, value: str) -> str:
        name = super().clean(value)
        if services.is_taken(name):
            raise forms.ValidationError(_("The name %(name)s is taken. Choose another.") % {"name": name})
        return name


class SignUp(Styled, BaseUserCreationForm):
    username = NewName(label=_("User name"), help_text=_("The first half of your learnwares' names, as in `alice/model`."))
    email = forms.EmailField(label=_("E-mail"), required=False, widget=forms.EmailInput(attrs={"autocomplete": "email"}))

    class Meta:
        model = User
        fields = ("username", "email")

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].help_text = _("At least 8 characters, not only digits, and not a common password.")
        self.fields["password2"].help_text = ""
        self.fields["password2"].label = _("Password again")


class SignIn(Styled, AuthenticationForm):
    error_messages = {
        "invalid_login": _("No account has this user name and password. Mind capitals, or create an account."),
        "inactive": _("This account is closed."),
    }

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = _("User name")

    def clean(self) -> dict:
        # Django's own, with tries that are counted. Raises Refused for who was wrong too often: the view has a page for it.
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if username is not None and password:
            self.user_cache = guarding.check_password(self.request, username, password)
            if self.user_cache is None:
                raise self.get_invalid_login_error()
            self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data


class Code(Styled, forms.Form):
    """A code of the second factor: six digits, or a recovery code."""

    code = forms.CharField(
        max_length=factors.LONGEST, label=_("Code"),
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "text", "autocapitalize": "none", "spellcheck": "false", "class": "mono"}),
    )


class Letter(Styled, forms.Form):
    """Where a link to a new password goes."""

    email = forms.EmailField(label=_("E-mail"), widget=forms.EmailInput(attrs={"autocomplete": "email"}))


class OwnPassword(forms.Form):
    """What is asked before something that a borrowed session must not do."""

    password = forms.CharField(label=_("Password"), max_length=128, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}))

    def __init__(self, request, *args, **kwargs) -> None:
        self.request = request
        super().__init__(*args, **kwargs)

    def clean_password(self) -> str:
        given = self.cleaned_data["password"]
        if guarding.check_password(self.request, self.request.user.username, given) is None:
            raise forms.ValidationError(_("This is not your password."))
        return given


class Address(Styled, OwnPassword):
    email = forms.EmailField(label=_("E-mail"), required=False, help_text=_("For a link to a new password, and for word of changes to your account. Nobody else sees it."),
                             widget=forms.EmailInput(attrs={"autocomplete": "email"}))

    field_order = ("email", "password")


class SetPassword(Styled, forms.Form):
    """A new password, twice."""

    password1 = forms.CharField(label=_("New password"), max_length=128, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
                                help_text=_("At least 8 characters, not only digits, and not a common password."))
    password2 = forms.CharField(label=_("New password again"), max_length=128, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}))
    revoke_tokens = forms.BooleanField(label=_("Revoke my API tokens too"), required=False)

    def __init__(self, user, *args, **kwargs) -> None:
        self.user = user
        super().__init__(*args, **kwargs)

    def clean_password2(self) -> str:
        given = self.cleaned_data["password2"]
        if given != self.cleaned_data.get("password1"):
            raise forms.ValidationError(_("The two are not the same."))
        password_validation.validate_password(given, self.user)
        return given


class ChangePassword(SetPassword):
    old = forms.CharField(label=_("Current password"), max_length=128, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}))

    field_order = ("old", "password1", "password2", "revoke_tokens")

    def __init__(self, request, *args, **kwargs) -> None:
        self.request = request
        super().__init__(request.user, *args, **kwargs)

    def clean_old(self) -> str:
        given = self.cleaned_data["old"]
        if guarding.check_password(self.request, self.user.username, given) is None:
            raise forms.ValidationError(_("This is not your password."))
        return given


class Farewell(Styled, OwnPassword):
    """What is asked before an account is deleted."""

    username = forms.CharField(label=_("Your user name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}))
    code = forms.CharField(label=_("Code"), max_length=factors.LONGEST, required=False, help_text=_("Of your authenticator, or a recovery code."),
                           widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "class": "mono"}))

    field_order = ("username", "password", "code")

    def clean_username(self) -> str:
        given = self.cleaned_data["username"].strip()
        if given != self.request.user.username:
            raise forms.ValidationError(_("Type the user name of this account."))
        return given


class NewToken(Styled, forms.Form):
    name = forms.CharField(
        max_length=80, label=_("Name"), help_text=_("Where it will be used, such as “laptop” or “training server”.")
    )
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(scope, words) for scope, words in SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
        initial=["read", "upload", "run"],
        help_text=_("What whoever holds the token may do."),
    )
    days = forms.TypedChoiceField(
        label=_("Valid for"),
        coerce=int,
        choices=[(1, _("one day")), (7, _("a week")), (30, _("30 days")), (90, _("90 days")), (365, _("one year"))],
        initial=90,
    )


class ChangedToken(NewToken):
    """A token's name, scopes and end; how long it is valid stays where nothing is chosen."""

    days = forms.TypedChoiceField(
        label=_("Valid for, from today"), required=False, coerce=int, empty_value=None,
        choices=[("", _("unchanged")), (1, _("one day")), (7, _("a week")), (30, _("30 days")), (90, _("90 days")), (365, _("one year"))],
    )


class Profile(Styled, forms.ModelForm):
    """What a person or an organisation says of itself."""

    link = forms.URLField(
        required=False, label=_("Link"), assume_scheme="https", validators=[RegexValidator("^https?://", _("The link must begin with https:// or http://."))],
        widget=forms.URLInput(attrs={"autocomplete": "url"}), help_text=_("A home page, beginning with https://."),
    )

    class Meta:
        model = User
        fields = ("title", "about", "link")
        labels = {"title": _("Name"), "about": _("About")}
        help_texts = {"title": _("Shown above the user name."), "about": _("Markdown, up to 2,000 characters.")}
        widgets = {"about": forms.Textarea(attrs={"rows": 6})}


class NewOrganisation(Profile):
    username = NewName(label=_("User name"), help_text=_("The first half of its learnwares' names, as in `harbour-lab/model`. It can not be changed."))

    field_order = ("username", "title", "about", "link")


class NewMember(Styled, forms.Form):
    username = forms.CharField(max_length=150, label=_("User name"), widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}))
    role = forms.ChoiceField(label=_("Role"), choices=Membership.Role.choices)


class DeviceCode(Styled, forms.Form):
    user_code = forms.CharField(
        max_length=20, label=_("Code"), help_text=_("Eight letters, as the device shows them: ABCD‑EFGH."),
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autocapitalize": "characters", "spellcheck": "false", "class": "mono"}),
    )
