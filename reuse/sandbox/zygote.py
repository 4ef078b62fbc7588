"""`python -m reuse.sandbox.zygote`: imports the libraries once, then forks one child for each request.

It runs with a clean environment and, where the kernel lets it, without a network. Children get limits, a folder
of their own and no way back; it relays what they write, up to a cap, and kills them at the deadline.
"""

import ctypes
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reuse.sandbox import wire

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE = 1, 38, 4


def main() -> None:
    """Serve requests from stdin until it closes."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)  # whatever a library prints must not enter the replies
    libc = ctypes.CDLL(None, use_errno=True)
    libc.unshare(CLONE_NEWNET)  # refused without the right to: then the limits below still hold
    libraries()
    while (body := wire.read(requests)) is not None:
        reply = serve(body, requests.fileno(), libc, lambda told: _write(replies, told))
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

    onnxruntime.disable_telemetry_events()
    torch.set_num_threads(1)


def serve(body: bytes, requests: int, libc: Any, relay: Callable[[bytes], None] = lambda told: None) -> bytes | None:
    """One request in one child; returns the reply's bytes, or None when whoever asked is gone. `relay` gets its words of progress at once."""
    document, arrays = wire.unpack(body)
    limits = document["limits"]
    folder = tempfile.mkdtemp(prefix="moorage-sandbox-")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(document["request"], arrays, limits, folder, writing, libc)
    os.close(writing)
    try:
        reply, why = _collect(reading, requests, limits, relay)
    finally:
        os.close(reading)
        try:
            os.killpg(child, signal.SIGKILL)
        except OSError:
            pass
        os.waitpid(child, 0)
        shutil.rmtree(folder, ignore_errors=True)
    if why == "gone":
        return None
    if why == "late":
        return wire.pack({"error": {"code": "model-timeout", "message": f"The model did not answer within {limits['wall_s']:g} s.",
                                    "hint": "Offer a smaller model, or ask for fewer rows."}})
    if why or len(reply) < 8:
        return wire.pack({"error": {"code": "model-crashed", "message": "The model ended its process before it answered.",
                                    "hint": "Load the file and predict a few rows on your own machine first."}})
    return reply


def _collect(reading: int, requests: int, limits: dict[str, Any], relay: Callable[[bytes], None]) -> tuple[bytes, str]:
    deadline, pending, size = time.monotonic() + limits["wall_s"], bytearray(), 0
    watched = select.poll()
    watched.register(reading, select.POLLIN | select.POLLHUP)
    watched.register(requests, select.POLLHUP)
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return b"", "late"
        for descriptor, event in watched.poll(left * 1000):
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
                if size > limits["reply_bytes"]:
                    return b"", "large"


def _child(request: Any, arrays: list, limits: dict[str, Any], folder: str, writing: int, libc: Any) -> None:
    try:
        os.setpgid(0, 0)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        os.chdir(folder)
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        for what, soft, hard in (
            (resource.RLIMIT_CPU, limits["cpu_s"], limits["cpu_s"] + 1),
            (resource.RLIMIT_AS, used + limits["memory"], used + limits["memory"]),
            (resource.RLIMIT_FSIZE, limits["file_bytes"], limits["file_bytes"]),
            (resource.RLIMIT_NOFILE, 64, 64),
            (resource.RLIMIT_CORE, 0, 0),
        ):
            resource.setrlimit(what, (soft, hard))
        from reuse.sandbox.work import answer

        _write(writing, wire.pack(*answer(request, arrays, lambda said: _write(writing, wire.pack({"progress": said})))))
    finally:
        os._exit(0)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    sys.exit(main())
