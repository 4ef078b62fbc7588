"""A folder: ab/cd/<sha256>. Nothing stands under a final name that is not whole."""

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from storage.base import ArtifactMissing, Stored, digest, parts, verify

STALE_S = 3600


class LocalStore:
    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._unfinished = self.folder / "unfinished"
        self._unfinished.mkdir(parents=True, exist_ok=True)

    def put(self, content: bytes | BinaryIO) -> Stored:
        # Written beside, flushed to the disk, renamed, and the folder flushed: a kill at any point leaves
        # either the whole artifact or a file in `unfinished` that `sweep` collects.
        draft = self._unfinished / secrets.token_hex(16)
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
        try:
            sha, size = hashlib.sha256(), 0
            with os.fdopen(descriptor, "wb") as file:
                for part in parts(content):
                    sha.update(part)
                    size += len(part)
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            stored = Stored(sha.hexdigest(), size)
            path = self._path(stored.sha256)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.chmod(draft, 0o440)
            os.replace(draft, path)
            _flush(path.parent)
            _flush(path.parent.parent)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        return stored

    def open(self, sha256: str) -> BinaryIO:
        try:
            file = open(self._path(sha256), "rb")  # noqa: SIM115 - the caller closes it
        except FileNotFoundError:
            raise ArtifactMissing(f"There is no artifact {sha256} in the store.") from None
        return verify(file, sha256)

    def delete(self, sha256: str) -> None:
        self._path(sha256).unlink(missing_ok=True)

    def held(self) -> Iterator[tuple[str, datetime]]:
        for path in self.folder.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            try:
                yield path.name, datetime.fromtimestamp(path.stat().st_mtime, UTC)
            except FileNotFoundError:  # deleted while we look
                continue

    def sweep(self) -> int:
        """Remove unfinished files that are older than an hour; returns how many."""
        old = [path for path in self._unfinished.iterdir() if path.stat().st_mtime < time.time() - STALE_S]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _path(self, sha256: str) -> Path:
        name = digest(sha256)
        return self.folder / name[:2] / name[2:4] / name


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
