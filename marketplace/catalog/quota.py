"""Room: how many bytes of the store an account may fill, and how many it does.

Counted from rows: each that refers to bytes says whose it is, and bytes that several rows of one account refer to count once. A file on its way in counts whole, so its room is taken before its
first byte comes.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import QuerySet, Sum
from django.utils import timezone

from marketplace.accounts.models import User
from marketplace.catalog.models import Artifact, Upload
from marketplace.errors import Refused

OWNER = {"catalog.Version": "learnware__owner"}  # whose a row that refers to bytes is, where it has no `owner` of its own
GB = 2**30


class Room(NamedTuple):
    """Bytes: what an account has in the store, what is on its way there, and what both may be together."""

    stored: int
    coming: int
    limit: int

    @property
    def taken(self) -> int:
        return self.stored + self.coming

    @property
    def share(self) -> float:
        return min(self.taken / self.limit, 1.0) if self.limit else 1.0


def limit(account: User) -> int:
    """What an account may fill: what staff gave it, else what everybody has."""
    return settings.QUOTA_BYTES if account.quota_gb is None else account.quota_gb * GB


def room(account: User, *, arrived: Iterable[str] = ()) -> Room:
    """How full an account's room is; uploads that brought the bytes `arrived` (digests) are left out."""
    stored = Artifact.objects.filter(pk__in=_digests(account)).aggregate(n=Sum("size"))["n"] or 0
    uploads = Upload.objects.filter(owner=account, expires__gt=timezone.now()).exclude(sha256__in=[digest for digest in arrived if digest])
    return Room(stored, uploads.aggregate(n=Sum("size"))["n"] or 0, limit(account))


def insist(account: User, bringing: Mapping[str, int], *, field: str = "") -> None:
    """Refused where the bytes {digest: size} do not fit; those that the account has already take nothing. What holds for good is said by `reserve`."""
    found = room(account, arrived=bringing)
    held = set(Artifact.objects.filter(pk__in=list(bringing)).filter(pk__in=_digests(account)).values_list("pk", flat=True))
    size = sum(n for digest, n in bringing.items() if digest not in held)
    if found.taken + size > found.limit:
        whose = f"{account.username} may" if account.is_organisation else "You may"
        raise Refused("over-quota", f"{whose} keep {spelt(found.limit)} in this market; {spelt(found.taken)} are taken, and this brings {spelt(size)} more.", status=507,
                      hint="Cancel uploads that you do not need, or ask who runs this market for more room.", fields={field: "No room left for it."} if field else {})


def reserve(account: User, bringing: Mapping[str, int], *, field: str = "") -> None:
    """`insist`, with the account's row held until the transaction ends: of two that come at once the second is counted after the first. SQLite's IMMEDIATE does so anyway."""
    # FOR NO KEY UPDATE: rows of others that refer to the account need not wait, and so never in a circle with the end of the audit log.
    User.objects.select_for_update(no_key=True).get(pk=account.pk)
    insist(account, bringing, field=field)


def relations() -> list[tuple[Any, str, str]]:
    """(model, its column that refers to bytes, how it says whose they are), of every app."""
    return [(relation.related_model, relation.field.name, OWNER.get(relation.related_model._meta.label, "owner")) for relation in Artifact._meta.related_objects]


def _digests(account: User) -> QuerySet:
    """The bytes that some row of the account refers to."""
    first, *others = (
        model._base_manager.filter(**{owner: account, f"{column}__isnull": False}).order_by().values_list(column) for model, column, owner in relations()
    )
    return first.union(*others)


def spelt(size: int) -> str:
    """Bytes in words: 1.20 GB, 0.03 MB."""
    return f"{size / GB:.2f} GB" if size >= GB // 10 or not size else f"{size / 2**20:.2f} MB"
