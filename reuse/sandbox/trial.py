"""A level is believed when it has been tried: a sealed process forks a sealed child, and each must be refused what the level promises."""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from reuse.sandbox import limits, seal

FORBIDDEN = "/etc/passwd"  # everybody may read it, everywhere; nobody may in here


def run(scratch: Path, level: str) -> dict[str, object]:
    """{"level", "open": what was not refused}; nothing open means that the level holds."""
    if level == "none":
        return {"level": level, "open": []}
    given, own = scratch / "in", scratch / "out"
    reading, writing = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            answers = limits.keep_only(writing)
            limits.end_with_parent(parent)
            seal.around_child(given, own)
            os.write(answers, json.dumps(_open(own, CHILD)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        answer = file.read(10_000)
    os.waitpid(child, 0)
    try:
        inside = [f"child: {name}" for name in json.loads(answer)]
    except ValueError:
        inside = ["child: it ended before it answered"]
    return {"level": level, "open": [*(f"zygote: {name}" for name in _open(own, ZYGOTE)), *inside]}


def _open(own: Path, forbidden: dict[str, Callable[[], object]]) -> list[str]:
    found = []
    try:
        path = own / f"tried-{os.getpid()}"
        path.write_bytes(b"x")
        path.unlink()
    except OSError as error:
        found.append(f"its own folder can not be written ({error.strerror})")
    for name, attempt in forbidden.items():
        try:
            attempt()
        except OSError:
            continue
        found.append(name)
    return found


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


ZYGOTE: dict[str, Callable[[], object]] = {
    "reading a file outside": lambda: Path(FORBIDDEN).read_bytes(),
    "opening a socket": lambda: socket.socket(socket.AF_INET).close(),
    "running a program": lambda: os.execv(sys.executable, [sys.executable, "-c", "pass"]),
}
CHILD = ZYGOTE | {
    "starting a process": _fork,
    "signalling its parent": lambda: os.kill(os.getppid(), signal.SIGCONT),
}
