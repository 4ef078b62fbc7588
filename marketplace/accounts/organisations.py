"""What people do with organisations: found one, say who belongs to it, leave it, close it."""

from typing import Any

from django.db import IntegrityError, transaction
from django.urls import reverse

from marketplace.accounts import notices, services
from marketplace.accounts.models import Membership, User
from marketplace.errors import Refused

MAX_FOUNDED = 20
ADMIN = Membership.Role.ADMIN
ROLES = {
    "reader": "Sees and uses what the organisation keeps private",
    "writer": "Offers in its name, and decides who may use what it offers",
    "admin": "Also says who belongs to it",
}


@transaction.atomic
def create(*, by: User, username: str, title: str = "", about: str = "", link: str = "") -> User:
    """A new organisation; whoever makes it is its first admin."""
    username = services.read_name(username)
    if Membership.objects.filter(user=by, role=ADMIN).count() >= MAX_FOUNDED:
        raise Refused("too-many-organisations", f"A person is admin of at most {MAX_FOUNDED} organisations.", hint="Leave or delete one first.", status=409)
    organisation = User(username=username, kind=User.Kind.ORGANISATION, title=title, about=about, link=link)
    organisation.set_unusable_password()
    try:
        with transaction.atomic():
            organisation.save()
    except IntegrityError:
        services.read_name(username)  # somebody was faster, and the refusal says so
        raise
    Membership.objects.create(organisation=organisation, user=by, role=ADMIN)
    return organisation


def change(organisation: User, by: User, **fields: str) -> User:
    """Set title, about and link of an organisation."""
    insist_on_admin(organisation, by)
    for name, value in fields.items():
        setattr(organisation, name, value)
    organisation.save(update_fields=list(fields))
    return organisation


@transaction.atomic
def delete(organisation: User, by: User) -> None:
    """Close an organisation that owns nothing; its name is free again."""
    insist_on_admin(organisation, by)
    held = _locked(organisation).learnwares.count()
    if held:
        raise Refused("owns-learnwares", f"{organisation.username} owns {held} learnware{'s' if held > 1 else ''}, and those are never deleted.",
                      hint="An organisation goes only while it owns nothing; withdraw versions to take them out of search.", status=409)
    organisation.delete()


@transaction.atomic
def add(organisation: User, by: User, *, username: str, role: str) -> Membership:
    """Make a person a member, and tell them."""
    insist_on_admin(organisation, by)
    role = _read_role(role)
    person = User.objects.filter(username=username.strip(), kind=User.Kind.PERSON, is_active=True).first()
    if person is None:
        raise Refused("unknown-person", f"No person here is called {username[:60]!r}.", hint="Give the user name, as it stands in the address of their page.",
                      fields={"username": "Unknown."})
    membership, is_new = Membership.objects.get_or_create(organisation=organisation, user=person, defaults={"role": role})
    if not is_new:
        raise Refused("member-already", f"{person.username} is a member already, as {membership.role}.", hint="Change the role in the list of members.", status=409,
                      fields={"username": "A member already."})
    if person != by:
        notices.tell(person, "invited", f"{by.username} made you a member of {organisation.username}, as {role}. You can leave it on its page.",
                     reverse("profile", args=[organisation.username]))
    return membership


@transaction.atomic
def set_role(organisation: User, by: User, *, username: str, role: str) -> Membership:
    """Give a member another role. The last admin stays one."""
    insist_on_admin(organisation, by)
    role = _read_role(role)
    _locked(organisation)
    membership = member(organisation, username)
    if membership.role == ADMIN and role != ADMIN:
        _keep_an_admin(organisation, "be given another role")
    membership.role = role
    membership.save(update_fields=["role"])
    return membership


@transaction.atomic
def remove(organisation: User, by: User, *, username: str) -> None:
    """Take a member out; everybody may take themself out. The last admin stays."""
    if username != by.username:
        insist_on_admin(organisation, by)
    _locked(organisation)
    membership = member(organisation, username)
    if membership.role == ADMIN:
        _keep_an_admin(organisation, "leave")
    membership.delete()


def role_of(organisation: User, user: Any) -> str:
    """The role of somebody in an organisation; empty for strangers."""
    if user is None or not user.is_authenticated:
        return ""
    return Membership.objects.filter(organisation=organisation, user=user).values_list("role", flat=True).first() or ""


def is_admin(organisation: User, user: Any) -> bool:
    return user.is_authenticated and (user.is_staff or role_of(organisation, user) == ADMIN)


def insist_on_admin(organisation: User, by: User) -> None:
    """Refused for whoever is no admin of the organisation."""
    if not is_admin(organisation, by):
        raise Refused("not-admin", f"Only an admin of {organisation.username} may do that.", hint="Ask one: its page lists them.", status=403)


def member(organisation: User, username: str) -> Membership:
    """The membership of a person; Refused where there is none."""
    found = organisation.members.select_related("user").filter(user__username=username).first()
    if found is None:
        raise Refused("no-member", f"{username[:60]!r} is no member of {organisation.username}.", hint="Its page lists the members.", status=404)
    return found


def _read_role(role: str) -> str:
    if role not in ROLES:
        raise Refused("bad-role", f"A role is one of {', '.join(ROLES)}; got {str(role)[:40]!r}.", fields={"role": "Unknown."})
    return role


def _locked(organisation: User) -> User:
    # Counting admins (or learnwares) and changing them is one step: of two last admins who leave at once, one stays.
    return User.objects.select_for_update().get(pk=organisation.pk)


def _keep_an_admin(organisation: User, deed: str) -> None:
    if organisation.members.filter(role=ADMIN).count() < 2:
        raise Refused("last-admin", f"The last admin of {organisation.username} can not {deed}.", hint="Make another member an admin first, or delete the organisation.", status=409)
