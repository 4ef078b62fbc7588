"""`python -m reuse.sandbox.zygote`: seals itself, imports the libraries once, then forks one child for each request.

It runs with a clean environment. Children get a further wall, limits, a folder of their own and no way back; it relays what they write, up to a
cap, and kills them at the deadline. What comes out of a child is a stranger's: it is passed on by the byte, and read only as a word of progress.
"""

import gc
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reuse.sandbox import kernel, limits, seal

LOOK_S = 0.25  # how often the folder of a child that works is measured


def main() -> None:
    """Serve requests from stdin until it closes. The first argument says how, as JSON: level, scratch, uid, reading, trial."""
    asked = json.loads(sys.argv[1])
    scratch, level = Path(asked["scratch"]), asked["level"]
    requests, replies = os.fdopen(os.dup(0), "rb"), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)  # whatever a library prints must not enter the replies
    size = os.open("/proc/self/statm", os.O_RDONLY) if kernel.LINUX else -1
    if level != "none":
        seal.around_zygote(scratch, uid=asked["uid"], reading=asked["reading"])
    if asked["trial"]:
        from reuse.sandbox import trial

        return _write(replies, json.dumps(trial.run(scratch, level)).encode())
    os.environ["NUMBA_CACHE_DIR"] = str(scratch / "out" / "numba")  # written here and now, read by the children
    libraries()
    gc.collect()
    gc.freeze()  # what stands now is never collected, so its pages stay shared
    from reuse.sandbox import wire

    _write(replies, wire.pack({"level": level, "uid": os.getuid() if hasattr(os, "getuid") else None}))
    while (body := wire.read(requests)) is not None:
        reply = serve(body, requests.fileno(), scratch, level, size, lambda told: _write(replies, told))
        if reply is None:
            break
        _write(replies, reply)


def libraries() -> None:
    """Import what models need; no operation is run, since a fork after OpenMP has started may hang."""
    import numpy  # noqa: F401
    import onnx  # noqa: F401
    import onnxruntime
    import pandas  # noqa: F401
    import safetensors.torch  # noqa: F401
    import sklearn.compose
    import sklearn.ensemble
    import sklearn.linear_model
    import sklearn.pipeline  # noqa: F401
    import skops.io  # noqa: F401
    import torch

    import reuse.sandbox.work  # noqa: F401
    from reuse import formats

    onnxruntime.disable_telemetry_events()
    torch.set_num_threads(1)
    for name in formats.names():
        if hasattr(member := formats.member(name), "warm"):
            member.warm()


def serve(body: bytes, requests: int, scratch: Path, level: str, size: int, relay: Callable[[bytes], None] = lambda told: None) -> bytes | None:
    """One request in one child; returns the reply's bytes, or None when whoever asked is gone. `relay` gets its words of progress at once."""
    from reuse.sandbox import wire

    document, arrays = wire.unpack(body)
    held = document["limits"]
    folder = Path(tempfile.mkdtemp(prefix="call-", dir=scratch / "out"))
    reading, writing = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _child(document, arrays, scratch, folder, writing, size, parent, level)
    os.close(writing)
    try:
        reply, why = _collect(reading, requests, held, folder, relay)
    finally:
        os.close(reading)
        try:
            os.killpg(child, signal.SIGKILL)
        except OSError:
            try:
                os.kill(child, signal.SIGKILL)
            except OSError:
                pass
        _reap(child)
        shutil.rmtree(folder, ignore_errors=True)
    if why == "gone":
        return None
    if why == "late":
        return wire.pack({"error": {"code": "model-timeout", "message": f"The model did not answer within {held['wall_s']:g} s.",
                                    "hint": "Offer a smaller model, or ask for fewer rows."}})
    if why == "full":
        return wire.pack({"error": {"code": "model-too-hungry", "message": f"The model wrote more than the {held['disk']:,} bytes that a model may write.",
                                    "hint": "Offer a smaller model."}})
    if why or not wire.is_whole(reply):  # a length that is not its own would make the rest of it the answer to the next request
        return wire.pack({"error": {"code": "model-crashed", "message": "The model ended its process before it answered.",
                                    "hint": "Load the file and predict a few rows on your own machine first."}})
    return reply


def _reap(child: int) -> None:
    """Wait for the child, and for whatever it may have left to us."""
    os.waitpid(child, 0)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _collect(reading: int, requests: int, held: dict[str, Any], folder: Path, relay: Callable[[bytes], None]) -> tuple[bytes, str]:
    from reuse.sandbox import wire

    deadline, pending, size = time.monotonic() + held["wall_s"], bytearray(), 0
    watched = select.poll()
    watched.register(reading, select.POLLIN | select.POLLHUP)
    watched.register(requests, select.POLLHUP)
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return b"", "late"
        happened = watched.poll(min(left, LOOK_S) * 1000)
        if not happened and _size(folder) > held["disk"]:
            return b"", "full"
        for descriptor, event in happened:
            if descriptor == requests and event & (select.POLLHUP | select.POLLERR):
                return b"", "gone"
            if descriptor == reading:
                part = os.read(reading, 1 << 20)
                if not part:
                    return bytes(pending), ""
                pending += part
                size += len(part)
                while told := wire.told(pending):
                    relay(told)
                if size > held["reply_bytes"]:
                    return b"", "large"


def _size(folder: Path) -> int:
    """Bytes that lie in a folder that somebody else is filling."""
    found = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                found += os.lstat(os.path.join(place, name)).st_blocks * 512
            except OSError:
                continue
    return found


def _child(document: dict[str, Any], arrays: list, scratch: Path, folder: Path, writing: int, size: int, parent: int, level: str) -> None:
    try:
        used = int(os.pread(size, 100, 0).split()[0]) * os.sysconf("SC_PAGESIZE") if size >= 0 else 0
        os.setpgid(0, 0)
        answers = limits.keep_only(writing)
        os.dup2(0, 2)  # what a model prints is nobody's
        os.dup2(0, 1)
        limits.end_with_parent(parent)
        os.chdir(folder)
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
        limits.apply(document["limits"], used, document["tasks"])
        if level != "none":
            seal.around_child(scratch / "in" / document["given"], folder)
        from reuse.sandbox import wire
        from reuse.sandbox.work import answer

        _write(answers, wire.pack(*answer(document["request"], arrays, lambda said: _write(answers, wire.pack({"progress": said})))))
    finally:
        os._exit(0)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    sys.exit(main())
