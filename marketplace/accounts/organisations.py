"""What people do with organisations: found one, invite to it, join it, leave it, close it."""

from typing import Any

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from marketplace.accounts import audit, notices, services
from marketplace.accounts.models import Invitation, Membership, User
from marketplace.errors import Refused

MAX_FOUNDED = 20
MAX_INVITED = 100  # who have not answered yet, of one organisation
ADMIN = Membership.Role.ADMIN
ROLES = {
    "reader": _("Sees and uses what the organisation keeps private"),
    "writer": _("Offers in its name, and decides who may use what it offers"),
    "admin": _("Also says who belongs to it"),
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
    audit.note("organisation-founded", actor=by, object=f"organisation:{organisation.username}")
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
    audit.note("organisation-deleted", actor=by, object=f"organisation:{organisation.username}")


@transaction.atomic
def invite(organisation: User, by: User, *, username: str, role: str) -> Invitation:
    """Ask a person to become a member. They are told, and are none before they say yes: nobody is put beside a name against their will."""
    insist_on_admin(organisation, by)
    role = _read_role(role)
    person = User.objects.filter(username=username.strip(), kind=User.Kind.PERSON, is_active=True).first()
    if person is None:
        raise Refused("unknown-person", f"No person here is called {username[:60]!r}.", hint="Give the user name, as it stands in the address of their page.",
                      fields={"username": "Unknown."})
    if held := Membership.objects.filter(organisation=organisation, user=person).first():
        raise Refused("member-already", f"{person.username} is a member already, as {held.role}.", hint="Change the role in the list of members.", status=409,
                      fields={"username": "A member already."})
    if organisation.invitations_sent.count() >= MAX_INVITED:
        raise Refused("too-many-invitations", f"At most {MAX_INVITED} invitations of an organisation may wait for an answer.", hint="Take some back first.", status=409)
    made, is_new = Invitation.objects.get_or_create(organisation=organisation, user=person, defaults={"role": role, "by": by})
    if not is_new:
        raise Refused("invited-already", f"{person.username} is invited already, as {made.role}, and has not answered yet.", hint="Take the invitation back to invite with another role.",
                      status=409, fields={"username": "Invited already."})
    if person == by:  # staff who help out need nobody's consent but their own
        accept(made, by)
    else:
        notices.tell(person, "invited", format_lazy(_("{name} invites you to {organisation}, as {role}."), name=by.username, organisation=organisation.username, role=role), reverse("invitations"))
    audit.note("member-invited", actor=by, subject=person, object=f"organisation:{organisation.username}", role=role)
    return made


@transaction.atomic
def accept(invitation: Invitation, by: User) -> Membership:
    """Become a member; whoever invited is told."""
    _insist_on_invited(invitation, by)
    membership = Membership.objects.get_or_create(organisation=invitation.organisation, user=by, defaults={"role": invitation.role})[0]
    Invitation.objects.filter(pk=invitation.pk).delete()
    if invitation.by is not None and invitation.by != by:
        notices.tell(invitation.by, "invited", format_lazy(_("{name} is a {role} of {organisation} now."), name=by.username, role=membership.role, organisation=invitation.organisation.username), reverse("members", args=[invitation.organisation.username]))
    audit.note("member-joined", actor=by, object=f"organisation:{invitation.organisation.username}", role=membership.role)
    return membership


@transaction.atomic
def decline(invitation: Invitation, by: User) -> None:
    """Say no; nobody is told, the invitation is just there no more."""
    _insist_on_invited(invitation, by)
    Invitation.objects.filter(pk=invitation.pk).delete()
    audit.note("invitation-declined", actor=by, object=f"organisation:{invitation.organisation.username}")


@transaction.atomic
def take_back(organisation: User, by: User, *, username: str) -> None:
    """Take back an invitation that was not answered."""
    insist_on_admin(organisation, by)
    found = organisation.invitations_sent.select_related("user").filter(user__username=username).first()
    if found is None:
        raise Refused("no-invitation", f"No invitation of {organisation.username} waits for {username[:60]!r}.", hint="The page of its members lists them.", status=404)
    found.delete()
    audit.note("invitation-taken-back", actor=by, subject=found.user, object=f"organisation:{organisation.username}")


def _insist_on_invited(invitation: Invitation, by: User) -> None:
    if invitation.user_id != by.pk or not Invitation.objects.filter(pk=invitation.pk).exists():
        raise Refused("no-invitation", "This invitation is not there: it was for somebody else, or was taken back.", status=404)


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
    audit.note("member-role", actor=by, subject=membership.user, object=f"organisation:{organisation.username}", role=role)
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
    audit.note("member-left", actor=by, subject=membership.user, object=f"organisation:{organisation.username}")


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
