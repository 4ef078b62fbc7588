"""The worker's side: starts the zygote, sends it one request at a time, believes nothing that comes back."""

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reuse.errors import ReuseError
from reuse.sandbox import wire

ROOT = Path(__file__).resolve().parents[2]
KEPT = ("MOORAGE_DEVICE", "CUDA_VISIBLE_DEVICES", "PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "TMPDIR")
START_S = 120
STATES = ("loading", "answering", "answered")
Heard = Callable[[int, dict[str, Any]], None]


@dataclass(frozen=True)
class Limits:
    """What one call may use. `memory` is on top of the libraries' own; wall time covers loading too."""

    wall_s: float = 60.0
    cpu_s: int = 60
    memory: int = 3 << 30
    file_bytes: int = 1 << 30
    reply_bytes: int = 1 << 30


class Sandbox:
    """A zygote and its children. Safe to use from several threads: calls queue."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._process: subprocess.Popen | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *args: Any) -> None:
        self.close()

    def check(self, path: Path, manifest: dict[str, Any], specification: Path) -> dict[str, Any]:
        """Open a model and run it on the points of its own specification; returns what was found.

        Raises ReuseError with the reason when the model is refused, crashes or overruns.
        """
        reply, _ = self._call({"do": "check", "path": str(path.resolve()), "manifest": manifest, "specification": str(specification.resolve())})
        report = reply.get("report")
        if not isinstance(report, dict):
            raise _crashed()
        return report

    def predict(self, members: list[dict[str, Any]], space: dict[str, Any], columns: dict[str, Any], limits: Limits | None = None,
                note: Callable[[str], None] = lambda words: None, heard: Heard = lambda place, said: None) -> list[np.ndarray]:
        """Each member's answers for the same rows, in one child, each model loaded once.

        `members` are {"name", "path", "manifest"}; `columns` raw columns of `space`. Returns, in order, (n, classes)
        probabilities or (n,) values. `note` hears what went otherwise than planned: memory that ran short. `heard(place, said)` hears
        while the child works how far a member is: {"state": "loading", "answering" or "answered", "rows", "of", "loading_s", "answering_s"}.
        """
        members = [member | {"path": str(Path(member["path"]).resolve())} for member in members]  # a child works in a folder of its own
        table, arrays = wire.columns_out({name: columns[name] for name in (c["name"] for c in space["columns"]) if name in columns})
        reply, found = self._call({"do": "predict", "members": members, "space": space, "table": table}, arrays, limits,
                                  lambda said: _pass_on(said, len(members), heard))
        rows = len(arrays[0]) if arrays else 0
        if len(found) != len(members) or any(len(a) != rows or a.dtype != np.float64 or not np.isfinite(a).all() for a in found):
            raise _crashed()
        for words in reply.get("notes") or []:
            note(str(words)[:300])
        return found

    def warm(self) -> None:
        """Start the zygote now, so that the first call need not wait."""
        self._call({"do": "ping"})

    def close(self) -> None:
        """Stop the zygote; the next call starts another."""
        with self._lock:
            self._stop()

    def _call(self, request: dict[str, Any], arrays: list[np.ndarray] = (), limits: Limits | None = None,
              told: Callable[[Any], None] = lambda said: None) -> tuple[dict[str, Any], list[np.ndarray]]:
        limits = limits or self.limits
        message = wire.pack({"limits": asdict(limits), "request": request}, arrays)
        with self._lock:
            process = self._started()
            try:
                process.stdin.write(message)
                process.stdin.flush()
                body = self._reply(process, limits, told)
            except (BrokenPipeError, ValueError, TimeoutError, OSError):
                self._stop()
                raise _crashed() from None
            if body is None:
                self._stop()
                raise _crashed()
        try:
            reply, found = wire.unpack(body)
        except (ValueError, KeyError, IndexError, TypeError, EOFError):
            raise _crashed() from None
        except Exception:  # struct.error and numpy's own: a reply that is none, from a child that is not trusted
            raise _crashed() from None
        if not isinstance(reply, dict):
            raise _crashed()
        if isinstance(error := reply.get("error"), dict):
            raise ReuseError(*(str(error.get(key, ""))[:1000] for key in ("code", "message", "hint")))
        return reply, found

    def _reply(self, process: subprocess.Popen, limits: Limits, told: Callable[[Any], None]) -> bytes | None:
        """The answer's body; words of progress that come before it go to `told`."""
        replies = _Replies(process.stdout.fileno(), time.monotonic() + limits.wall_s + START_S)
        while (body := wire.read(replies, limits.reply_bytes + (1 << 20))) is not None:
            said = _progress(body)
            if said is None:
                return body
            told(said)
        return None

    def _started(self) -> subprocess.Popen:
        if self._process is None or self._process.poll() is not None:
            self._stop()
            environment = {name: os.environ[name] for name in KEPT if name in os.environ}
            environment |= {
                "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
                "ORT_DISABLE_TELEMETRY": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore", "HOME": "/nonexistent",
            }
            self._process = subprocess.Popen(
                [sys.executable, "-m", "reuse.sandbox.zygote"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=environment, cwd=ROOT, close_fds=True, start_new_session=True,
            )
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            try:
                stream.close()
            except OSError:
                pass
        deadline = time.monotonic() + 2
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is None:
            process.kill()
            process.wait()


class _Replies:
    """What the zygote writes, read to the byte: nothing of the next message is taken, so waiting for it is waiting for the pipe."""

    def __init__(self, descriptor: int, deadline: float) -> None:
        self.descriptor, self.deadline = descriptor, deadline

    def read(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            ready, _, _ = select.select([self.descriptor], [], [], max(0.0, self.deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            part = os.read(self.descriptor, min(size - len(found), 1 << 20))
            if not part:
                break
            found += part
        return bytes(found)


def _progress(body: bytes) -> Any:
    """What a word of progress says; None for an answer, whatever it is."""
    if len(body) > wire.MAX_TOLD:
        return None
    try:
        document, arrays = wire.unpack(body)
    except Exception:  # not readable: then it is the answer, and refused as one
        return None
    return document["progress"] if isinstance(document, dict) and set(document) == {"progress"} and not arrays else None


def _pass_on(said: Any, members: int, heard: Heard) -> None:
    """A child's word about a member, as far as it is one: whoever wrote it ran a stranger's model."""
    place = said.get("member") if isinstance(said, dict) else None
    if type(place) is not int or not 0 <= place < members or said.get("state") not in STATES:
        return
    numbers = {key: said[key] for key in ("rows", "of", "loading_s", "answering_s") if type(said.get(key)) in (int, float) and 0 <= said[key] < 1e12}
    heard(place, {"state": said["state"], **numbers})


def _crashed() -> ReuseError:
    return ReuseError("model-crashed", "The model ended its process, or answered what is no answer.",
                      "Load the file and predict a few rows on your own machine first.")
