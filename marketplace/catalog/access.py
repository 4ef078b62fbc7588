"""Who may see a learnware and who may use it: public or private, shared, gated, asked for and granted."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from marketplace.accounts import audit, notices
from marketplace.accounts.models import User
from marketplace.accounts.services import may_write
from marketplace.catalog.models import AccessRequest, Learnware, Share, Version
from marketplace.errors import Refused

MAX_SHARES = 200
MAX_WAITING = 50
ASK_AGAIN = timedelta(days=1)
State = AccessRequest.State


def may_use(user: Any, version: Version) -> bool:
    """Whether somebody who sees a version may have its files and run it."""
    return not version.learnware.is_gated or Version.objects.usable_by(user).filter(pk=version.pk).exists()


def insist(user: Any, version: Version) -> None:
    """Refused, with the address to ask at, for whoever the owner of a gated learnware has not let in."""
    if not may_use(user, version):
        raise gated(version)


def gated(version: Version) -> Refused:
    """The refusal of a version that is gated."""
    return Refused("gated", f"{version.reference} is gated: {version.learnware.owner.username} lets in whoever may use it.",
                   hint=f"Ask for access at {asking_page(version.learnware)}, or with POST {asking_api(version.learnware)}.", status=403)


def asking_page(learnware: Learnware) -> str:
    return reverse("access-ask", args=[learnware.owner.username, learnware.name])


def asking_api(learnware: Learnware) -> str:
    return reverse("api:access-ask", args=[learnware.owner.username, learnware.name])


def standing(user: Any, learnware: Learnware) -> str:
    """Where somebody stands who sees a learnware: `open` (nothing to ask for), else `none`, `waiting`, `granted` or `denied`."""
    if not learnware.is_gated:
        return "open"
    if user is None or not user.is_authenticated:
        return "none"
    asked = AccessRequest.objects.filter(learnware=learnware, user=user).values_list("state", flat=True).first()
    if asked == State.GRANTED:
        return "granted"
    return "open" if Version.objects.usable_by(user).filter(learnware=learnware).exists() else asked or "none"


def page_of(user: Any, version: Version) -> dict[str, Any]:
    """What the page of a version shows of all this."""
    stands = standing(user, version.learnware)
    return {"may_use": stands in ("open", "granted"), "standing": stands, "may_write": may_write(user, version.learnware.owner)}


def insist_on_writer(learnware: Learnware, by: Any) -> None:
    """Refused for whoever may not write in the owner's name."""
    if not may_write(by, learnware.owner):
        raise Refused("not-yours", f"Only who may write for {learnware.owner.username} decides about access to {learnware}.", status=403)


@transaction.atomic
def change(
    learnware: Learnware, by: User, *, visibility: str | None = None, gated: bool | None = None, shared_with: Iterable[str] | None = None
) -> Learnware:
    """Set who sees a learnware and whether its use is gated; `shared_with` is the whole list of user names. What is None stays."""
    insist_on_writer(learnware, by)
    if visibility is not None:
        learnware.visibility = read_visibility(visibility)
    if gated is not None:
        learnware.is_gated = gated
    learnware.save(update_fields=["visibility", "is_gated"])
    guests: list[User] = []
    if shared_with is not None:
        wanted = {name.strip() for name in shared_with}
        for held in learnware.shares.exclude(user__username__in=wanted):
            held.delete()
        for name in sorted(wanted - set(learnware.shares.values_list("user__username", flat=True))):
            made, is_new = _let_see(learnware, by, name)
            guests += [made.user] if is_new else []
    for guest in guests:
        audit.note("shared", actor=by, subject=guest, object=f"learnware:{learnware}")
    audit.note("visibility-changed", actor=by, object=f"learnware:{learnware}", visibility=learnware.visibility, gated=learnware.is_gated)
    return learnware


def read_visibility(value: str) -> str:
    if value not in Learnware.Visibility.values:
        raise Refused("bad-visibility", f"Visibility is one of {', '.join(Learnware.Visibility.values)}; got {str(value)[:40]!r}.",
                      fields={"visibility": "Unknown."})
    return value


@transaction.atomic
def share(learnware: Learnware, by: User, username: str) -> Share:
    """Let a person, or all of an organisation, see and use a private learnware; they are told."""
    made, is_new = _let_see(learnware, by, username)
    if is_new:
        audit.note("shared", actor=by, subject=made.user, object=f"learnware:{learnware}")
    return made


def _let_see(learnware: Learnware, by: User, username: str) -> tuple[Share, bool]:
    """(the share, whether it is new); to be noted when all else is written."""
    insist_on_writer(learnware, by)
    guest = User.objects.filter(username=username.strip(), is_active=True).first()
    if guest is None:
        raise Refused("unknown-account", f"No person or organisation here is called {username[:60]!r}.", hint="Give the user name, as it stands in the address of their page.",
                      fields={"shared_with": f"Unknown: {username[:60]}."})
    if guest.pk == learnware.owner_id:
        raise Refused("owner-already", f"{guest.username} owns it, and sees it anyway.", status=409, fields={"shared_with": "The owner."})
    if learnware.shares.count() >= MAX_SHARES:
        raise Refused("too-many-shares", f"A learnware is shared with at most {MAX_SHARES} accounts.", hint="Share it with an organisation: all its members see it.",
                      status=409, fields={"shared_with": "Too many."})
    made, is_new = Share.objects.get_or_create(learnware=learnware, user=guest)
    if is_new:
        notices.tell(guest, "shared", _shared(by, learnware, guest), learnware.get_absolute_url())
    return made, is_new


def unshare(learnware: Learnware, by: User, username: str) -> None:
    """End a share; what was downloaded before is beyond anybody's reach."""
    insist_on_writer(learnware, by)
    with transaction.atomic():
        if learnware.shares.filter(user__username=username).delete()[0]:
            audit.note("share-ended", actor=by, object=f"learnware:{learnware}")


def ask_again(asked: AccessRequest | None) -> datetime | None:
    """From when on somebody who was turned down may ask again; None where that is so already."""
    if asked is None or asked.state != State.DENIED or asked.decided is None:
        return None
    again = asked.decided + ASK_AGAIN
    return again if again > timezone.now() else None


@transaction.atomic
def ask(learnware: Learnware, user: User, words: str = "") -> AccessRequest:
    """Ask the owner of a gated learnware to let a person in. Whoever was turned down may ask again after a day."""
    stands = standing(user, learnware)
    if stands in ("open", "granted"):
        raise Refused("not-needed", f"You may use {learnware} already.", hint="Download it, or reuse it in a job.", status=409)
    if stands == "waiting":
        raise Refused("asked-already", f"You have asked for {learnware} already; its owner has not answered yet.", hint="You will be told.", status=409)
    if AccessRequest.objects.filter(user=user, state=State.WAITING).count() >= MAX_WAITING:
        raise Refused("too-many-requests-for-access", f"At most {MAX_WAITING} of your requests may wait.", hint="Wait until some are answered.", status=429)
    asked, is_new = AccessRequest.objects.get_or_create(learnware=learnware, user=user, defaults={"words": words})
    if not is_new:
        if ask_again(asked) is not None:
            raise Refused("denied", f"The owner has said no on {asked.decided:%-d %B %Y}.", hint="You may ask again a day later.", status=409)
        asked.words, asked.state, asked.decided = words, State.WAITING, None
        asked.save(update_fields=["words", "state", "decided"])
    notices.tell(learnware.owner, "access-asked", format_lazy(gettext_lazy("{name} asks for access to {learnware}."), name=user.username, learnware=str(learnware)), reverse("access", args=[learnware.owner.username, learnware.name]))
    return asked


@transaction.atomic
def decide(asked: AccessRequest, by: User, state: str) -> AccessRequest:
    """Grant or deny a request, or take a grant back; the person is told."""
    insist_on_writer(asked.learnware, by)
    if state not in (State.GRANTED, State.DENIED):
        raise Refused("bad-state", f"A request becomes granted or denied; got {str(state)[:40]!r}.", fields={"state": "granted or denied."})
    if asked.state == state:
        return asked
    was_granted = asked.state == State.GRANTED
    asked.state, asked.decided = state, timezone.now()
    asked.save(update_fields=["state", "decided"])
    if state == State.GRANTED:
        notices.tell(asked.user, "access-granted", format_lazy(gettext_lazy("You may use {learnware} now."), learnware=str(asked.learnware)), asked.learnware.get_absolute_url())
    else:
        said = gettext_lazy("Your access to {learnware} has ended.") if was_granted else gettext_lazy("Your request for {learnware} was turned down.")
        notices.tell(asked.user, "access-denied", format_lazy(said, learnware=str(asked.learnware)), asked.learnware.get_absolute_url())
    audit.note("access-decided", actor=by, subject=asked.user, object=f"learnware:{asked.learnware}", state=str(state))
    return asked


def manifest(user: Any, version: Version) -> dict[str, Any]:
    """learnware.json as somebody may read it: of its base and parents only those that they may see."""
    said = version.manifest
    base = (said.get("base") or {}).get("learnware")
    named = {*said.get("parents", []), *([base] if base else [])}
    if not named:
        return said
    lineage = Version.objects.visible_to(user).whole().filter(pk__in=[*version.parents.values_list("pk", flat=True), *([version.base_id] if version.base_id else [])])
    seen = {other.reference for other in lineage}
    shown = said | {"parents": [reference for reference in said.get("parents", []) if reference in seen]}
    return shown | ({"base": None} if base and base not in seen else {})


def _shared(by: User, learnware: Learnware, guest: User) -> Any:
    said = gettext_lazy("{name} shares {learnware} with {guest}.") if guest.is_organisation else gettext_lazy("{name} shares {learnware} with you.")
    return format_lazy(said, name=by.username, learnware=str(learnware), guest=guest.username)
