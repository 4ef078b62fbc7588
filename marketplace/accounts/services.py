"""What a person can do with their account: tokens, a name, a password, an address."""

import re
from datetime import timedelta
from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from marketplace.accounts import audit, factors, mailing, sealing
from marketplace.accounts.models import SCOPES, ApiToken, Membership, RetiredName, User
from marketplace.errors import Refused

MAX_TOKENS = 100
MAX_DAYS = 365
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{1,38}")
NAME_RULE = "Use 2 to 39 small letters, digits, - and _, beginning with a letter or digit."


def create_token(user: User, name: str, scopes: list[str], days: int = 90) -> tuple[ApiToken, str]:
    """A new token and its secret, which is shown this once: only a hash is kept."""
    name, scopes, days = _read_token_name(name), read_scopes(scopes), _read_days(days)
    room_for_token(user)
    if factors.is_missing(user):
        raise factors.needed()
    with transaction.atomic():
        token, secret = ApiToken.objects.create(user=user, expiry=timedelta(days=days), name=name, scopes=scopes)
        audit.note("token-made", actor=user, object=f"token:{token.token_key}", scopes=scopes, days=days)
    return token, secret


@transaction.atomic
def change_token(token: ApiToken, *, name: str | None = None, scopes: list[str] | None = None, days: int | None = None) -> ApiToken:
    """Give a token another name, other scopes, or a validity of so many days from now. What is None stays."""
    if name is not None:
        token.name = _read_token_name(name)
    if scopes is not None:
        token.scopes = read_scopes(scopes)
    if days is not None:
        token.expiry = timezone.now() + timedelta(days=_read_days(days))
    # Not `save`, which is no refusal but an error where the row has gone meanwhile.
    if not ApiToken.objects.filter(pk=token.pk).update(name=token.name, scopes=token.scopes, expiry=token.expiry):
        raise Refused("no-token", "This token is not there: it was revoked meanwhile.", hint="Make another one.", status=404)
    audit.note("token-changed", actor=token.user, object=f"token:{token.token_key}", scopes=token.scopes, **({} if days is None else {"days": days}))
    return token


@transaction.atomic
def revoke_token(token: ApiToken) -> None:
    """End a token; whatever used it is locked out from now on."""
    token.delete()
    audit.note("token-revoked", actor=token.user, object=f"token:{token.token_key}")


def _read_token_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= 80:
        raise Refused("bad-name", f"A token's name has 1 to 80 characters; got {len(name)}.", fields={"name": "1 to 80 characters."})
    return name


def _read_days(days: int) -> int:
    if not 1 <= days <= MAX_DAYS:
        raise Refused("bad-days", f"A token is valid for 1 to {MAX_DAYS} days; got {days}.", fields={"days": "Out of range."})
    return days


def read_scopes(scopes: list[str]) -> list[str]:
    """The scopes, each once and in order; Refused where one is unknown or none is left."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise Refused("bad-scopes", f"Scopes are some of {', '.join(SCOPES)}; got {', '.join(map(str, scopes)) or 'none'}.",
                      fields={"scopes": "Choose at least one that there is."})
    return sorted(set(scopes), key=list(SCOPES).index)


def room_for_token(user: User) -> None:
    """Refused where a user can have no further token."""
    if user.is_organisation:
        raise Refused("no-person", f"{user.username} is an organisation, and those have no tokens.", hint="Use a token of one of its writers.", status=403)
    if ApiToken.objects.filter(user=user).count() >= MAX_TOKENS:
        raise Refused("too-many-tokens", f"A user has at most {MAX_TOKENS} tokens.", hint="Revoke those that you no longer use.", status=409)


def read_name(name: str) -> str:
    """A name that nobody has yet. People and organisations share one set of names, and capitals make no difference."""
    if not NAME.fullmatch(name):
        raise Refused("bad-name", f"{name[:60]!r} can not be a name here.", hint=NAME_RULE, fields={"username": NAME_RULE})
    if is_taken(name):
        raise Refused("name-taken", f"The name {name} is taken.", hint="Choose another.", status=409, fields={"username": "Taken."})
    return name


def is_taken(name: str) -> bool:
    """Whether somebody has the name, or had it: the name of an account that is gone is nobody's for good."""
    return User.objects.filter(username__iexact=name).exists() or RetiredName.objects.filter(digest__in=sealing.every_keyed("name", name.lower())).exists()


@transaction.atomic
def change_email(user: User, address: str) -> None:
    """Set the address, which counts once it was confirmed; a letter asks for that, and another tells the old address."""
    old = user.email if user.email_confirmed else ""
    if address == user.email:
        mailing.ask_to_confirm(user)
        return
    user.email, user.email_confirmed = address, None
    user.save(update_fields=["email", "email_confirmed"])
    if old:
        mailing.tell(user, _("The e-mail address was changed; this letter went to the old one."), old)
    mailing.ask_to_confirm(user)
    audit.note("email-changed", actor=user)


@transaction.atomic
def confirm_email(user: User) -> None:
    """Count the address as the person's."""
    user.email_confirmed = timezone.now()
    user.save(update_fields=["email_confirmed"])
    audit.note("email-confirmed", actor=user)


@transaction.atomic
def set_password(user: User, password: str, *, request: HttpRequest | None = None, revoke_tokens: bool = False, by_letter: bool = False) -> None:
    """Set a password that was validated. Every session of the person ends, but for that of the request which asks."""
    user.set_password(password)
    user.sign_outs += 1
    user.save(update_fields=["password", "sign_outs"])
    if request is not None:
        update_session_auth_hash(request, user)  # a new key, too: whoever had copied the cookie is out
    mailing.tell(user, _("The password was changed."))
    revoked = list(ApiToken.objects.filter(user=user)) if revoke_tokens else []
    ApiToken.objects.filter(pk__in=[token.pk for token in revoked]).delete()
    for token in revoked:
        audit.note("token-revoked", actor=user, object=f"token:{token.token_key}")
    audit.note("password-reset" if by_letter else "password-changed", actor=user)


@transaction.atomic
def end_sessions(user: User, *, request: HttpRequest) -> None:
    """Sign a person out everywhere but here."""
    user.sign_outs += 1
    user.save(update_fields=["sign_outs"])
    update_session_auth_hash(request, user)
    audit.note("sessions-ended", actor=user)


def may_write(user: Any, owner: User) -> bool:
    """Whether somebody may offer, withdraw and decide in the name of an owner: themself, an organisation that they write for, or staff."""
    if user is None or not user.is_authenticated:
        return False
    return user.is_staff or user.pk == owner.pk or (owner.is_organisation and _writes_for(user, owner))


def _writes_for(user: User, organisation: User) -> bool:
    writing = (Membership.Role.WRITER, Membership.Role.ADMIN)
    return Membership.objects.filter(organisation=organisation, user=user, role__in=writing).exists()
