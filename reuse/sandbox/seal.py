"""The walls, put together: first the zygote's, before a library is loaded; then, inside them, those of the child that opens a model."""

import os
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from reuse.sandbox import identity, kernel, landlock, seccomp

ROOT = Path(__file__).resolve().parents[2]  # where the packages reuse and specs lie
LIBRARIES = ("/usr", "/lib", "/lib64", "/opt/rh", "/nix/store", "/gnu/store")
FILES = (
    "/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system",
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


@lru_cache(maxsize=1)
def readable() -> tuple[str, ...]:
    """What Python and its libraries are read from; of our own folder the two packages alone, since a market's home may lie beside them."""
    found = {os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    # Not the folder of the script that somebody started us from, which sys.path names too.
    found |= {path for path in sys.path if Path(path).name in ("site-packages", "dist-packages") and Path(path).is_dir()}
    found |= {str(ROOT / "reuse"), str(ROOT / "specs")} if _is_ours(ROOT) else {str(ROOT)}
    found = {path for path in (*found, *LIBRARIES, *FILES) if path != "/" and os.path.exists(path)}
    return tuple(sorted(path for path in found if not any(path.startswith(f"{other}/") for other in found)))


def _is_ours(path: str | Path) -> bool:
    path = Path(path).resolve()
    return path == ROOT and path.name not in ("site-packages", "dist-packages")


def around_zygote(scratch: Path, *, uid: int | None, reading: bool) -> None:
    """Seal this process and all that it forks; raises OSError where the kernel can not.

    `uid` is who to become, with the right to read where `reading`. Only `scratch`/out can be written.
    """
    find_spec("specs")  # lists our folder while it may be listed; importing waits until the walls stand
    if uid is not None and os.geteuid() == 0:
        identity.become(uid)
    elif os.geteuid() == 0:
        identity.give_up_rights()
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    # /proc: threadpoolctl reads the maps of its process when it is imported. A child sees no more than its own.
    landlock.restrict([*_libraries(), ("/proc", landlock.READ), (scratch / "in", landlock.READ), (scratch / "out", landlock.WRITE)])
    seccomp.install(seccomp.outer())


def around_child(given: Path, own: Path) -> None:
    """The last walls: of the scratch only what this call was given and its own folder, and no system call that a model does not need."""
    landlock.restrict([*_libraries(), ("/proc/self", landlock.READ), (given, landlock.READ), (own, landlock.WRITE)])
    seccomp.install(seccomp.strict(os.getpid()))


def _libraries() -> list[tuple[str, tuple[str, ...]]]:
    return [(path, landlock.READ) for path in readable()] + [(path, landlock.DEVICE) for path in DEVICES]
