"""Files on their way in, and drafts of offers.

The bytes of an upload lie under MOORAGE_HOME/uploads, in a file named by the row's id: no word of a client ever reaches a path. The row's
offset says how many of them count; what a broken-off write left behind it is overwritten by the next.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import F, Q, QuerySet, Sum
from django.http import UnreadablePostError
from django.utils import timezone

from marketplace.accounts.models import User
from marketplace.catalog import artifacts, quota
from marketplace.catalog.models import Draft, Upload, Version
from marketplace.errors import Refused

PART = 1 << 20
NOTED_EVERY = 16 << 20  # bytes after which the row hears of what arrived, so that a kill in a long write costs no more
LOCK_WAIT_S = 3
MAX_DRAFT = 256 * 1024
KNOWN = "sha256:"


def folder() -> Path:
    found = settings.HOME / "uploads"
    found.mkdir(parents=True, exist_ok=True, mode=0o700)
    return found


def path(upload: Upload) -> Path:
    return folder() / str(upload.pk)


def is_finished(upload: Upload) -> bool:
    return upload.offset == upload.size


def held_by(owner: User) -> QuerySet[Upload]:
    """The uploads of a person that have not expired, newest first."""
    return Upload.objects.filter(owner=owner, expires__gt=timezone.now()).order_by("-created", "pk")


def begin(*, owner: User, size: int, name: str, sha256: str = "") -> Upload:
    """Make room for a file of so many bytes. Raises Refused for one that is too large, or one too many."""
    if size > settings.MAX_MODEL_BYTES:
        raise Refused("upload-too-large", f"A file may have {settings.MAX_MODEL_BYTES >> 20} MB; this one has {-(-size >> 20)} MB.", status=413, hint="Offer a smaller model.",
                      fields={"Upload-Length": "Too large."})
    with transaction.atomic():
        quota.reserve(owner, {"": size}, field="Upload-Length")  # holds the owner's row: two at once are counted one after the other
        held = held_by(owner)
        unfinished = held.filter(offset__lt=F("size")).count()
        if unfinished >= settings.UPLOADS_UNFINISHED:
            raise Refused("too-many-uploads", f"At most {settings.UPLOADS_UNFINISHED} uploads may be unfinished at once; you have {unfinished}.", status=429,
                          hint="Finish or cancel one; My learnwares lists them.")
        taken = held.aggregate(n=Sum("size"))["n"] or 0
        if taken + size > settings.UPLOAD_BYTES_EACH:
            raise Refused("no-room", f"Your files on their way in may have {settings.UPLOAD_BYTES_EACH >> 20} MB together; with this one they would have {-(-(taken + size) >> 20)} MB.",
                          status=507, hint="Offer what has arrived, or cancel an upload; My learnwares lists them.")
        upload = Upload.objects.create(owner=owner, name=name[-120:], size=size, sha256=sha256, expires=_expiry())
    try:
        os.close(os.open(path(upload), os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
    except OSError:  # a full disk: no row without its file
        upload.delete()
        raise
    return upload


def append(upload: Upload, *, offset: int, stream: BinaryIO, checksum: tuple[str, bytes] | None = None) -> Upload:
    """Take bytes from the stream behind those that are there, and return the upload with its new offset.

    Bytes that arrive before a line breaks stay, unless a `checksum` (algorithm, digest) was to hold for all of them: then none do.
    """
    with _alone(upload) as file:
        upload = find(upload.owner, upload.pk)
        if offset != upload.offset:
            raise Refused("wrong-offset", f"The next byte is number {upload.offset:,}; these begin at {offset:,}.", status=409,
                          hint="Ask with HEAD how far it is, and send from there.", fields={"Upload-Offset": "Not where the upload stands."})
        file.seek(offset)
        file.truncate()
        _take(upload, file, stream, checksum)
    return upload


def _take(upload: Upload, file: BinaryIO, stream: BinaryIO, checksum: tuple[str, bytes] | None) -> None:
    part_digest = hashlib.new(checksum[0]) if checksum else None
    whole = hashlib.sha256() if upload.offset == 0 else None
    at, is_broken = upload.offset, False
    while True:
        try:
            part = stream.read(PART)
        except UnreadablePostError:
            is_broken = True
            break
        if not part:
            break
        at += len(part)
        if at > upload.size:
            raise Refused("too-many-bytes", f"The upload was announced with {upload.size:,} bytes; more came.", status=413, hint="Begin a new upload with the right length.")
        file.write(part)
        for digest in filter(None, (part_digest, whole)):
            digest.update(part)
        if not checksum and upload.size > at >= upload.offset + NOTED_EVERY:
            file.flush()
            _advance(upload, at)
    file.flush()
    if part_digest and is_broken:
        return  # whether they are right can not be known
    if part_digest and part_digest.digest() != checksum[1]:
        raise Refused("wrong-checksum", f"These bytes are not those that were sent: their {checksum[0]} differs.", status=460, hint="Send the same part again.")
    if at == upload.size:
        _verify(upload, file, whole.hexdigest() if whole else "")
    _advance(upload, at)


def _verify(upload: Upload, file: BinaryIO, digest: str) -> None:
    """Flush a whole file to the disk and hold it against what its sender named; a wrong one is removed."""
    os.fsync(file.fileno())
    if not digest:
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if upload.sha256 and upload.sha256 != digest:
        remove(upload)
        raise Refused("wrong-digest", f"What arrived has the SHA-256 {digest[:12]}…; its sender named {upload.sha256[:12]}….", hint="Send the file again from the beginning.",
                      fields={"sha256": "Not that of the bytes."})
    upload.sha256 = digest


def _advance(upload: Upload, at: int) -> None:
    # The old offset stands in the WHERE: of two writers one wins, and an upload that was cancelled meanwhile stays away.
    if not Upload.objects.filter(pk=upload.pk, offset=upload.offset).update(offset=at, sha256=upload.sha256, expires=_expiry()):
        raise _gone()
    upload.refresh_from_db()


@contextmanager
def _alone(upload: Upload) -> Iterator[BinaryIO]:
    """The upload's file, opened to be written by nobody else; the lock goes with the process."""
    try:
        file = open(path(upload), "r+b")  # noqa: SIM115 - closed below, with its lock
    except FileNotFoundError:
        raise _gone() from None
    with file:
        if not _locked(file):
            raise Refused("upload-busy", "Another request is sending this upload.", status=409, hint="Wait a moment, ask with HEAD how far it is, and send from there.")
        yield file


def _locked(file: BinaryIO) -> bool:
    """Whether the file is ours alone. A sender whose line broke may come again before its first request has noticed, so we wait a little."""
    until = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        else:
            return True


def find(owner: User, pk: UUID | str) -> Upload:
    """One's own upload, or Refused 404: others never learn that it is there."""
    try:
        return held_by(owner).get(pk=UUID(str(pk)))
    except (Upload.DoesNotExist, ValueError):
        raise _gone() from None


def _gone() -> Refused:
    return Refused("no-upload", "There is no such upload: it was offered, cancelled, or has expired.", status=404, hint="Begin a new one.")


def remove(upload: Upload) -> None:
    """Cancel an upload: row and bytes; twice is once."""
    Upload.objects.filter(pk=upload.pk).delete()
    path(upload).unlink(missing_ok=True)


def sweep() -> int:
    """Remove uploads and drafts whose time is over, and bytes whose row is gone; returns how many."""
    now = timezone.now()
    expired = list(Upload.objects.filter(expires__lt=now))
    for upload in expired:
        remove(upload)
    old = now - timedelta(hours=settings.UPLOAD_HOURS)
    for some in artifacts.batched((file.name for file in folder().iterdir() if file.stat().st_mtime < old.timestamp()), 500):
        known = {str(pk) for pk in Upload.objects.filter(pk__in=some).values_list("pk", flat=True)}
        for name in set(some) - known:
            (folder() / name).unlink(missing_ok=True)
    drafts = Draft.objects.filter(changed__lt=now - timedelta(days=settings.DRAFT_DAYS)).delete()[1].get(Draft._meta.label, 0)
    return len(expired) + drafts


def _expiry() -> Any:
    return timezone.now() + timedelta(hours=settings.UPLOAD_HOURS)


# --- files of an offer that need not come with it ------------------------------------------------


class Arrived(UploadedFile):
    """A finished upload, as the services take a file."""

    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        super().__init__(path(upload).open("rb"), upload.name, "application/octet-stream", upload.size)

    def temporary_file_path(self) -> str:
        return str(path(self.upload))


def is_known(user: User, sha256: str, size: int) -> bool:
    """Whether these are bytes of a version that the person may use; of all others nothing is said."""
    return any(
        Version.objects.usable_by(user).filter(**{f"{part}__sha256": sha256, f"{part}__size": size}).exists() for part in ("model", "specification", "statistics")
    )


def opened(user: User, named: str, field: str) -> UploadedFile:
    """The file that an offer names: one's finished upload by its id, or bytes that the person may use already, as sha256:….

    Raises Refused where there is none, or where it is not whole.
    """
    if named.startswith(KNOWN):
        return _opened_known(user, named.removeprefix(KNOWN), field)
    try:
        upload = find(user, named)
    except Refused as refusal:
        raise Refused(refusal.code, f"{field}: {refusal.message}", status=422, hint="Send the file again, then offer.", fields={field: "No such upload."}) from None
    if not is_finished(upload):
        raise Refused("unfinished-upload", f"{field}: {upload.offset:,} of {upload.size:,} bytes have arrived.", status=409, hint="Send the rest, then offer.",
                      fields={field: "Not whole yet."})
    return Arrived(upload)


def _opened_known(user: User, sha256: str, field: str) -> UploadedFile:
    usable = Version.objects.usable_by(user).filter(Q(model_id=sha256) | Q(specification_id=sha256) | Q(statistics_id=sha256))
    if not usable.exists():
        raise Refused("not-known", f"{field}: no version that you may use has the bytes {sha256[:12]}….", hint="Send the file.", fields={field: "Not known."})
    size = usable.filter(model_id=sha256).values_list("model__size", flat=True).first() or 0
    return UploadedFile(artifacts.open(sha256), sha256[:12], "application/octet-stream", size)


def read(user: User, named: str, field: str, most: int) -> bytes:
    """The bytes of a small file that an offer names."""
    with opened(user, named, field) as file:
        found = file.file.read(most + 1)
    if len(found) > most:
        raise Refused("file-too-large", f"{field} may have {most >> 20} MB.", status=413, fields={field: "Too large."})
    return found


def forget(owner: User, *names: str | None) -> None:
    """What has been offered is in the store now: the uploads it came by go."""
    for name in names:
        with suppress(Refused):
            remove(find(owner, name or ""))


# --- drafts ----------------------------------------------------------------------------------


def save_draft(*, author: User, document: dict[str, Any], uploads: list[str], draft: Draft | None = None) -> Draft:
    """Keep the words of an offer that is not made yet, with the author's own uploads that belong to it."""
    if len(json.dumps(document)) > MAX_DRAFT:
        raise Refused("draft-too-large", f"The words of a draft may have {MAX_DRAFT:,} characters.", status=413, hint="Shorten the card.")
    with transaction.atomic():
        if draft is None:
            User.objects.select_for_update().get(pk=author.pk)
            if Draft.objects.filter(author=author).count() >= settings.DRAFTS_EACH:
                raise Refused("too-many-drafts", f"At most {settings.DRAFTS_EACH} drafts are kept.", status=429, hint="Throw one away under My learnwares.")
            draft = Draft(author=author)
        draft.document = document
        draft.save()
        draft.uploads.set(held_by(author).filter(pk__in=uploads))
    return draft


def discard(draft: Draft) -> None:
    """Throw a draft away, with the uploads that no other draft needs."""
    alone = [upload for upload in draft.uploads.all() if upload.drafts.count() == 1]
    draft.delete()
    for upload in alone:
        remove(upload)
