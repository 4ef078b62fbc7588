"""Who a sandbox is: started as root, each gets a uid of its own; started by anybody else, it stays that user.

A uid of its own means that its threads are counted alone (RLIMIT_NPROC) and that no other process may be signalled, whoever else is fooled.
"""

import os
import secrets
import stat
from pathlib import Path

from reuse.sandbox import kernel

# Above what distributions hand out as subordinate uids, below where 32-bit tools stumble.
OWN = (0x40000000, 0x20000000)
DYNAMIC = (61184, 4335)  # systemd's range for services without an account: for containers that map only 65,536 uids


def pick() -> int | None:
    """A uid that nobody has, or None where this process may not become another user."""
    if not kernel.LINUX or os.geteuid() != 0 or not _may_change():
        return None
    for first, many in (OWN, DYNAMIC):
        if _mapped(first, many):
            return first + secrets.randbelow(many)
    return None


def _may_change() -> bool:
    """CAP_SETUID, CAP_SETGID and CAP_CHOWN: a container may have taken them from its root."""
    try:
        held = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff:"))
    except (OSError, StopIteration):
        return False
    mask = int(held.split()[1], 16)
    return all(mask >> bit & 1 for bit in (0, 6, 7))


def _mapped(first: int, many: int) -> bool:
    try:
        ranges = [tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    except (OSError, ValueError):
        return True
    return any(inside <= first and first + many <= inside + count for inside, _, count in ranges)


def can_reach(path: str | Path) -> bool:
    """Whether a user without any rights of their own may read a file or folder: by the modes on the way to it."""
    path = Path(os.path.realpath(path))
    try:
        last = path.stat().st_mode
        needed = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(last) else 0)
        return last & needed == needed and all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)
    except OSError:
        return False


def become(uid: int) -> None:
    """Become a user without rights, save that of reading what modes forbid (Landlock says where).

    For a Python below a folder that only root may enter: a new user could not start there. No thread may run yet.
    """
    kernel.prctl(kernel.PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    kernel.prctl(kernel.PR_SET_KEEPCAPS, 0)
    kernel.set_capabilities(1 << kernel.CAP_DAC_READ_SEARCH)


def give_up_rights() -> None:
    """A root that has to stay root does so without capabilities."""
    kernel.set_capabilities(0)
