"""What a full disk, a damaged file or a database that does not answer looks like to who asked: 507 or 503, never a 500."""

import errno
import logging
from typing import NamedTuple

from django.db import InterfaceError, OperationalError

from storage import ArtifactDamaged, ArtifactMissing

log = logging.getLogger(__name__)
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
BROKEN = {errno.EIO, errno.EROFS, errno.ENFILE, errno.EMFILE, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOMEM}
FULL_WORDS = ("full", "no space", "disk quota")  # SQLite and PostgreSQL say it in words


class Failing(NamedTuple):
    status: int
    code: str
    message: str
    hint: str
    retry_after_s: int


NO_SPACE = Failing(507, "no-space", "The market has no room left to keep this.", "The operators have been told; try again later.", 300)
STORE = Failing(503, "store-fails", "The market's disk or store does not answer as it should.", "The operators have been told; try again later.", 30)
DAMAGED = Failing(503, "artifact-damaged", "The file is missing or damaged in the store.", "The operators have been told; try again later.", 300)
BUSY = Failing(503, "too-busy", "More is asked of the market at this moment than it can answer.", "Try again in a few seconds.", 5)
DATABASE = Failing(503, "database-busy", "The database did not answer in time.", "Try again in a moment.", 2)


def of(error: BaseException) -> Failing | None:
    """What to answer, once it has been logged; None where the error is of another kind."""
    if isinstance(error, ArtifactMissing | ArtifactDamaged):
        log.error("%s", error)
        return DAMAGED
    if isinstance(error, OperationalError | InterfaceError):
        log.exception("the database did not answer", exc_info=error)
        return NO_SPACE if any(word in str(error).lower() for word in FULL_WORDS) else DATABASE
    if isinstance(error, OSError) and error.errno in FULL | BROKEN:
        log.exception("the disk or the store does not take or give bytes", exc_info=error)
        return NO_SPACE if error.errno in FULL else STORE
    return None
