"""What was fetched stays: files by their SHA-256, and what the market said of learnwares and spaces.

    blobs/ab/abcd...      a file, named by its digest; whoever reads one has it verified
    markets/<market>/     documents of learnwares and spaces, one folder for each market
    uploads/              how far a push has come

Files go out as hard links, or as copies where links can not be: never as symbolic links, which Windows and archives trip over. They are read-only,
so that an edit in one folder does not reach another.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moorage.http import digest

LINKS = os.name == "posix"


def home() -> Path:
    """MOORAGE_CACHE, else XDG_CACHE_HOME/moorage, else ~/.cache/moorage."""
    return Path(os.environ.get("MOORAGE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "moorage")


@dataclass(frozen=True)
class Size:
    """How much a cache holds."""

    files: int
    bytes: int
    documents: int


class Cache:
    """The cache in a folder, for one market; files are shared by all markets, for their names are their digests."""

    def __init__(self, market: str, folder: Path | None = None) -> None:
        self.folder = folder or home()
        self._market = self.folder / "markets" / hashlib.sha256(market.encode()).hexdigest()[:16]

    # -- files ----------------------------------------------------------------------------------

    def blob(self, sha256: str) -> Path:
        """Where the file of a digest is, or would be."""
        return self.folder / "blobs" / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Whether the file is here and whole; one that is damaged is thrown away."""
        path = self.blob(sha256)
        if not path.is_file():
            return False
        if digest(path) == sha256:
            return True
        path.unlink(missing_ok=True)
        return False

    def fetch(self, sha256: str, fetch: Callable[[Path], Any]) -> Path:
        """The verified file of a digest; `fetch(path)` is called where it is not here yet."""
        path = self.blob(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            if not self.has(sha256):
                fetch(path)
                path.chmod(0o444)
        return path

    def place(self, sha256: str, target: Path) -> Path:
        """Put a file that is here where its user wants it, in place of what lay there."""
        source = self.blob(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}.part")
        draft.unlink(missing_ok=True)
        if not (LINKS and _linked(source, draft)):
            shutil.copyfile(source, draft)
        os.replace(draft, target)
        if draft.exists():  # POSIX leaves both names where they are one file already
            draft.unlink()
        return target

    # -- documents ------------------------------------------------------------------------------

    def keep(self, kind: str, name: str, document: Any) -> None:
        """Keep what the market said of a learnware or a space."""
        _write(self._document(kind, name), document)

    def kept(self, kind: str, name: str) -> Any:
        """What was kept, or None."""
        return _read(self._document(kind, name))

    def every(self, kind: str) -> list[Any]:
        """All that was kept of a kind."""
        found = (_read(path) for path in sorted((self._market / kind).glob("*.json")))
        return [document for document in found if document is not None]

    def _document(self, kind: str, name: str) -> Path:
        # A name of the market's is no path of ours.
        return self._market / kind / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"

    # -- pushes ---------------------------------------------------------------------------------

    def upload(self, sha256: str) -> dict[str, Any] | None:
        """The upload to this market that carries a file, as far as it came."""
        found = _read(self._upload(sha256))
        return found if isinstance(found, dict) and isinstance(found.get("address"), str) else None

    def keep_upload(self, sha256: str, address: str) -> None:
        """Remember an upload, so that a push that was killed goes on."""
        _write(self._upload(sha256), {"address": address, "begun": time.time()})

    def forget_upload(self, sha256: str) -> None:
        """The file has been offered, or its upload is gone."""
        self._upload(sha256).unlink(missing_ok=True)

    def _upload(self, sha256: str) -> Path:
        return self.folder / "uploads" / f"{self._market.name}-{sha256}.json"

    # -- the whole ------------------------------------------------------------------------------

    def size(self) -> Size:
        """What it holds, parts of broken downloads included."""
        blobs = [path for path in (self.folder / "blobs").rglob("*") if path.is_file() and path.suffix != ".lock"]
        documents = sum(1 for path in (self.folder / "markets").rglob("*.json"))
        return Size(len(blobs), sum(path.stat().st_size for path in blobs), documents)

    def clear(self) -> Size:
        """Throw all of it away, of every market; returns what it held. Files in users' folders stay."""
        held = self.size()
        for part in ("blobs", "markets", "uploads"):
            shutil.rmtree(self.folder / part, ignore_errors=True)
        return held


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time fetches a file: two would write into one part."""
    if not LINKS:
        yield
        return
    import fcntl

    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        return False
    return True


def _write(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    draft.write_text(json.dumps(document, ensure_ascii=False))
    os.replace(draft, path)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
