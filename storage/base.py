"""The contract of a store: put, open, delete, and what they raise."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

PART = 1 << 20


class ArtifactMissing(Exception):
    """No artifact of this digest is in the store."""


class ArtifactDamaged(Exception):
    """The bytes in the store are no longer those that were put there."""


@dataclass(frozen=True)
class Stored:
    sha256: str
    size: int


class Store(Protocol):
    """What is put can be read, byte for byte, until it is deleted; deleting twice is deleting once."""

    def put(self, content: bytes | BinaryIO) -> Stored:
        """Keep the bytes; the same bytes are kept once."""

    def open(self, sha256: str) -> BinaryIO:
        """The bytes from their beginning, seekable. Raises ArtifactMissing or, when they changed, ArtifactDamaged."""

    def delete(self, sha256: str) -> None:
        """Forget the bytes; those that are not there are no error."""

    def held(self) -> Iterator[tuple[str, datetime]]:
        """Every digest in the store with the time of its last `put`, so that what nobody refers to can be found."""

    def sweep(self) -> int:
        """Remove what broken-off puts left behind; returns how many."""


def parts(content: bytes | BinaryIO) -> Iterator[bytes]:
    if isinstance(content, bytes | bytearray | memoryview):
        yield bytes(content)
        return
    while part := content.read(PART):
        yield part


def digest(value: str) -> str:
    """The value, if it is a SHA-256 in hex; nothing else ever reaches a path or a key."""
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ArtifactMissing(f"An artifact is named by 64 hex digits; got {value[:80]!r}.")
    return value


def verify(file: BinaryIO, sha256: str) -> BinaryIO:
    """Read a seekable file once, compare its digest, and rewind it."""
    try:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        file.close()
        raise ArtifactDamaged(f"The artifact {sha256} can not be read: {error}.") from error
    if found != sha256:
        file.close()
        raise ArtifactDamaged(f"The artifact {sha256} has changed in the store; its bytes now hash to {found}.")
    file.seek(0)
    return file
