"""Where models run: a child process for each call, forked from a sealed zygote that holds the libraries and no secrets.

`shared()` is this process's zygote; it is started on first use, restarted when it has died, and dies with us.
A crash, an overrun or a hog is one child's end and comes back as a ReuseError; no worker is lost.

What the walls are made of: landlock (files), seccomp (system calls), identity (a uid of its own), limits, bubble (namespaces); seal puts them
together, probe finds by trying how many of them this machine gives. Without Landlock and seccomp nothing is run, save where somebody says so.
"""

import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reuse.sandbox.client import Limits, Sandbox

__all__ = ["Limits", "Sandbox", "shared"]

_lock = threading.Lock()
_shared: tuple[int, Any] | None = None


def __getattr__(name: str) -> Any:
    # The zygote seals itself before it loads a library, NumPy among them; so importing this package must load none.
    if name in ("Limits", "Sandbox"):
        from reuse.sandbox import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def shared() -> "Sandbox":
    """The sandbox of this process; after a fork each process gets its own."""
    from reuse.sandbox.client import Sandbox

    global _shared
    with _lock:
        if _shared is None or _shared[0] != os.getpid():
            _shared = (os.getpid(), Sandbox())
        return _shared[1]
