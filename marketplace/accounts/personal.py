"""What the market holds of a person: all of it to take along, and the end of it.

Every app to the right brings a module of its own, `personal.py`, that knows its rows: `collect`, `stays` and `leave`. Each relation of the user table
stands in a table of one of them (`HELD`), with what becomes of it; a test holds the tables against the models, so none is forgotten.
"""

import json
import secrets
import tempfile
import zipfile
from types import ModuleType
from typing import Any, BinaryIO

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.utils import timezone

from marketplace.accounts import audit, sealing
from marketplace.accounts.models import ApiToken, DeviceGrant, Invitation, Letter, Membership, Notification, RecoveryCode, RetiredName, SecondFactor, User
from marketplace.errors import Refused

# Relation of the user table -> (file of the export, or "" where it holds nothing of the person, or why not; what becomes of it when they leave).
HELD = {
    "accounts.Membership.user": ("memberships", "deleted"),
    "accounts.Membership.organisation": ("", "of organisations, and those are not left"),
    "accounts.Notification.recipient": ("notifications", "deleted"),
    "accounts.ApiToken.user": ("tokens", "deleted"),
    "accounts.DeviceGrant.user": ("devices", "deleted"),
    "accounts.Invitation.user": ("invitations", "deleted"),
    "accounts.Invitation.by": ("invitations-sent", "the invitation stays, without who sent it"),
    "accounts.Invitation.organisation": ("", "of organisations, and those are not left"),
    "accounts.SecondFactor.user": ("second-factor", "deleted"),
    "accounts.RecoveryCode.user": ("recovery-codes", "deleted"),
    "accounts.Letter.user": ("letters", "deleted"),
    "admin.LogEntry.user": ("admin", "stays: the record of what staff did"),
    "accounts.User.groups": ("", "groups and rights are taken away"),
    "accounts.User.user_permissions": ("", "groups and rights are taken away"),
}
# Never in an export: what opens a door, and what only the machine reads.
SECRET = {"password", "digest", "device_digest", "sealed", "token", "last_step", "lease_until"}
PARTS: list[ModuleType] = []


def register(part: ModuleType) -> None:
    """Called by each app when it is ready, from left to right."""
    if part not in PARTS:
        PARTS.append(part)


def held() -> dict[str, tuple[str, str]]:
    """The tables of all apps in one."""
    return {relation: said for table in (HELD, *(part.HELD for part in PARTS)) for relation, said in table.items()}


def export(user: User) -> BinaryIO:
    """A zip of JSON files: the account, each table that speaks of the person, the files they own, their events. Written to disk beyond a megabyte."""
    said: dict[str, Any] = {"account": _row(user) | {"exported": timezone.now()}}
    tables = held()
    for relation in relations():
        name = tables.get(relation_name(relation), ("", ""))[0]
        if name:
            said[name] = [_row(row) for row in relation.related_model._base_manager.filter(**{relation.field.name: user.pk}).order_by("pk")]
    for part in PARTS:
        said |= part.collect(user)
    said["events"] = [{"at": event.at, "action": event.action, "object": event.object, "detail": event.detail, "by_me": event.actor == user.pk} for event in audit.of(user)]
    file = tempfile.SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115  the response closes it
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(said):
            packed.writestr(f"{name}.json", json.dumps(said[name], cls=DjangoJSONEncoder, ensure_ascii=False, indent=2))
    audit.note("data-exported", actor=user)
    file.seek(0)
    return file


def stays(user: User) -> list[str]:
    """What would stay, in sentences: what others built on."""
    return [sentence for part in PARTS for sentence in part.stays(user)]


@transaction.atomic
def delete(user: User) -> None:
    """End an account. Its rows go; what others built on stays, withdrawn, under an account that names nobody; its name is nobody's for good.

    Raises Refused for an organisation, and for the last admin of one.
    """
    user = User.objects.select_for_update().get(pk=user.pk)
    if user.is_organisation:
        raise Refused("no-person", "Organisations are deleted on their own page.", status=409)
    for membership in Membership.objects.filter(user=user, role=Membership.Role.ADMIN).select_related("organisation"):
        if membership.organisation.members.filter(role=Membership.Role.ADMIN).count() < 2:
            raise Refused("last-admin", f"You are the last admin of {membership.organisation.username}.",
                          hint="Make another member an admin first, or delete the organisation.", status=409)
    RetiredName.objects.get_or_create(digest=sealing.keyed("name", user.username.lower()))
    user.username = f"gone-{secrets.token_hex(6)}"
    for part in reversed(PARTS):  # from right to left: a job lets go of a version before the version goes
        part.leave(user)
    Notification.objects.filter(recipient=user).delete()
    for model in (Membership, Invitation, SecondFactor, RecoveryCode, Letter, ApiToken, DeviceGrant):
        model.objects.filter(user=user).delete()
    Invitation.objects.filter(by=user).update(by=None)
    user.groups.clear()
    user.user_permissions.clear()
    user.first_name = user.last_name = user.email = user.title = user.about = user.link = user.language = ""
    user.email_confirmed = user.last_login = None
    user.is_active = user.is_staff = user.is_superuser = False
    user.gone = timezone.now()
    user.sign_outs += 1
    user.set_unusable_password()
    user.save()
    audit.note("account-deleted", actor=user)


def relations() -> list[Any]:
    """Every relation of another table, or of this, that points at the user table."""
    return [field for field in User._meta.get_fields(include_hidden=True) if field.auto_created and not field.concrete and (field.one_to_many or field.one_to_one)
            and not field.related_model._meta.auto_created]


def relation_name(relation: Any) -> str:
    return f"{relation.related_model._meta.app_label}.{relation.related_model.__name__}.{relation.field.name}"


def _row(row: models.Model) -> dict[str, Any]:
    """A row as JSON: every column but those that open a door or are bytes for the machine."""
    return {
        field.attname: field.value_from_object(row) for field in row._meta.concrete_fields
        if field.name not in SECRET and not isinstance(field, models.BinaryField)
    }
