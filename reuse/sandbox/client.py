"""The worker's side: starts the zygote, sends it one request at a time, believes nothing that comes back."""

import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from reuse.errors import ReuseError
from reuse.sandbox import probe, wire
from reuse.sandbox.launch import Zygote
from reuse.sandbox.limits import Limits

START_S = 120
GRACE_S = 15  # beyond a call's own wall time, until the zygote itself is given up
RECYCLE = 500  # calls, after which a fresh zygote takes over: children share its address layout
REPORT_BYTES = 8 << 20
TOLD_BYTES = 1 << 20  # words of progress and notes, all together
STATES = ("loading", "answering", "answered")
SUM_TOLERANCE = 1e-6
Heard = Callable[[int, dict[str, Any]], None]


class Sandbox:
    """A zygote and its children. Safe to use from several threads: calls queue."""

    zygote = Zygote  # what is started, and started again

    def __init__(self, limits: Limits | None = None, *, level: str = "", python: str = "", recycle: int = RECYCLE) -> None:
        """`level` is for those who may not take what the machine gives (probe.required): tests, and measurements."""
        self.limits = limits or Limits()
        self._level, self._python, self._recycle = level, python, recycle
        self._zygote: Zygote | None = None
        self._next: Zygote | None = None
        self._calls = 0
        self._lock = threading.Lock()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *args: Any) -> None:
        self.close()

    @property
    def level(self) -> str:
        """The level at which it runs models; raises ReuseError where there is none."""
        return self._level or probe.required().name

    def check(self, path: Path, manifest: dict[str, Any], specification: Path) -> dict[str, Any]:
        """Open a model and run it on the points of its own specification; returns what was found.

        Raises ReuseError with the reason when the model is refused, crashes or overruns, and where there is no sandbox to run it in.
        """
        files = {f"model{path.suffix}": path, "specification.json": specification}
        request = {"do": "check", "path": f"model{path.suffix}", "manifest": manifest, "specification": "specification.json"}
        reply, _ = self._call(request, files=files, limits=replace(self.limits, reply_bytes=REPORT_BYTES))
        return _report(reply.get("report"))

    def predict(self, members: list[dict[str, Any]], space: dict[str, Any], columns: dict[str, Any], limits: Limits | None = None,
                note: Callable[[str], None] = lambda words: None, heard: Heard = lambda place, said: None) -> list[np.ndarray]:
        """Each member's answers for the same rows, in one child, each model loaded once.

        `members` are {"name", "path", "manifest"}; `columns` raw columns of `space`. Returns, in order, (n, classes)
        probabilities or (n,) values. `note` hears what went otherwise than planned: memory that ran short. `heard(place, said)` hears
        while the child works how far a member is: {"state": "loading", "answering" or "answered", "rows", "of", "loading_s", "answering_s"}.
        """
        paths = [Path(member["path"]).resolve() for member in members]
        names = {path: f"{place}{path.suffix}" for place, path in enumerate(dict.fromkeys(paths))}
        asked = [member | {"path": names[path]} for member, path in zip(members, paths, strict=True)]
        table, arrays = wire.columns_out({name: columns[name] for name in (c["name"] for c in space["columns"]) if name in columns})
        rows = len(arrays[0]) if arrays else 0
        shapes = [_shape(member["manifest"], rows) for member in members]
        limits = limits or self.limits
        limits = replace(limits, reply_bytes=min(limits.reply_bytes, TOLD_BYTES + sum(8 * int(np.prod(shape)) + 512 * (rows // 4096 + 4) for shape in shapes)))
        reply, found = self._call({"do": "predict", "members": asked, "space": space, "table": table}, arrays, limits,
                                  lambda said: _pass_on(said, len(members), heard), {name: path for path, name in names.items()})
        if len(found) != len(members) or not all(_is_answer(answer, shape) for answer, shape in zip(found, shapes, strict=True)):
            raise _crashed()
        notes = reply.get("notes")
        for words in notes[:20] if isinstance(notes, list) else []:
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
              told: Callable[[Any], None] = lambda said: None, files: dict[str, Path] | None = None) -> tuple[dict[str, Any], list[np.ndarray]]:
        limits = limits or self.limits
        with self._lock:
            zygote = self._started()
            zygote.calls += 1
            self._calls += 1
            given = f"{self._calls}"
            try:
                folder = zygote.give(given, files or {})
                message = wire.pack({"limits": asdict(limits), "tasks": zygote.tasks(), "given": given, "request": _with_paths(request, folder)}, arrays)
                zygote.process.stdin.write(message)
                zygote.process.stdin.flush()
                body = _reply(zygote, limits.reply_bytes, limits.wall_s + GRACE_S, told)
            except (BrokenPipeError, ValueError, TimeoutError, OSError):
                body = None
            if body is None:
                self._stop()
                raise _crashed()
            zygote.take_back(given)
            self._renew(zygote)
        try:
            reply, found = wire.unpack(body)
        except Exception:  # struct.error, numpy's own, and others: a reply that is none, from a child that is not trusted
            raise _crashed() from None
        if not isinstance(reply, dict):
            raise _crashed()
        if isinstance(error := reply.get("error"), dict):
            raise ReuseError(*(str(error.get(key, ""))[:1000] for key in ("code", "message", "hint")))
        return reply, found

    def _started(self) -> Zygote:
        if self._zygote is not None and self._zygote.process.poll() is None:
            return self._zygote
        self._stop()
        level = self.level
        why = ""
        for _ in range(2):
            try:
                self._zygote = self.zygote(level, python=self._python)
                if _greeted(self._zygote, level):
                    return self._zygote
                why = self._zygote.last_words()
            except OSError as error:
                why = str(error)
            self._stop()
        raise ReuseError("no-sandbox", f"The sandbox did not come up at level {level}: {why}", "The operators find more in docs/operations.md.")

    def _renew(self, zygote: Zygote) -> None:
        """After many calls let a fresh zygote load beside this one, and take over when it is ready."""
        if self._next is None and zygote.calls >= self._recycle:
            self._next = self.zygote(zygote.level, python=self._python)
        if self._next is not None and (self._next.process.poll() is not None or select.select([self._next.process.stdout], [], [], 0)[0]):
            fresh, self._next = self._next, None
            if _greeted(fresh, zygote.level):
                self._zygote = fresh
                zygote.stop()
            else:
                fresh.stop()

    def _stop(self) -> None:
        for zygote in (self._zygote, self._next):
            if zygote is not None:
                zygote.stop()
        self._zygote = self._next = None


def _with_paths(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The request with the names of its files as paths of the folder that they were copied to."""
    found = request | {key: str(folder / request[key]) for key in ("path", "specification") if key in request}
    if "members" in request:
        found["members"] = [member | {"path": str(folder / member["path"])} for member in request["members"]]
    return found


def _greeted(zygote: Zygote, level: str) -> bool:
    """Whether the zygote says that it has sealed itself at this level and is ready."""
    try:
        body = _reply(zygote, 1 << 16, START_S, lambda said: None)
        return body is not None and wire.unpack(body)[0]["level"] == level
    except (ValueError, TimeoutError, OSError, KeyError, TypeError):
        return False


def _reply(zygote: Zygote, most: int, within_s: float, told: Callable[[Any], None]) -> bytes | None:
    """The answer's body; words of progress that come before it go to `told`."""
    replies = _Replies(zygote.process.stdout.fileno(), time.monotonic() + within_s)
    while (body := wire.read(replies, most + (1 << 20))) is not None:
        said = _progress(body)
        if said is None:
            return body
        told(said)
    return None


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


def _shape(manifest: dict[str, Any], rows: int) -> tuple[int, ...]:
    classes = manifest["output"].get("classes")
    return (rows, len(classes)) if classes else (rows,)


def _is_answer(answer: np.ndarray, shape: tuple[int, ...]) -> bool:
    """What a model of this output may answer: finite float64, probabilities that sum to 1."""
    if answer.dtype != np.float64 or answer.shape != shape or not np.isfinite(answer).all():
        return False
    return len(shape) == 1 or not answer.size or (answer.min() >= 0 and np.abs(answer.sum(axis=1) - 1).max() <= SUM_TOLERANCE)


def _report(report: Any) -> dict[str, Any]:
    """A check's report, as far as it is one: plain values under plain names, with what is relied on in its type."""
    wanted = {"format": str, "merge_family": str, "points": int, "parameters": int, "seconds": float, "sample": list, "tensors": list}
    if not isinstance(report, dict) or not all(isinstance(report.get(name), kind) for name, kind in wanted.items()):
        raise _crashed()
    tensors = report["tensors"]
    if len(tensors) > 10_000 or not all(isinstance(t, dict) and isinstance(t.get("name"), str) and isinstance(t.get("dtype"), str) and _is_shape(t.get("shape")) for t in tensors):
        raise _crashed()
    if report["points"] < 1 or report["parameters"] < 0 or len(report["merge_family"]) > 64 or len(report["sample"]) > 3 or not all(len(str(name)) <= 40 for name in report):
        raise _crashed()
    return report


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list) and len(shape) <= 8 and all(type(n) is int and 0 <= n < 2**48 for n in shape)


def _crashed() -> ReuseError:
    return ReuseError("model-crashed", "The model ended its process, or answered what is no answer.",
                      "Load the file and predict a few rows on your own machine first.")
