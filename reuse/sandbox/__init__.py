"""Where models run: a child process for each call, forked from a zygote that holds the libraries and no secrets.

`shared()` is this process's zygote; it is started on first use, restarted when it has died, and dies with us.
A crash, an overrun or a hog is one child's end and comes back as a ReuseError; no worker is lost.
"""

import os
import threading

from reuse.sandbox.client import Limits, Sandbox

__all__ = ["Limits", "Sandbox", "shared"]

_lock = threading.Lock()
_shared: tuple[int, Sandbox] | None = None


def shared() -> Sandbox:
    """The sandbox of this process; after a fork each process gets its own."""
    global _shared
    with _lock:
        if _shared is None or _shared[0] != os.getpid():
            _shared = (os.getpid(), Sandbox())
        return _shared[1]
