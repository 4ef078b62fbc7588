"""What one call may use, and how a child is held to it: rlimits, no way out through inherited descriptors, no life after its parent."""

import os
import resource
import signal
from dataclasses import dataclass

from reuse.sandbox import kernel


@dataclass(frozen=True)
class Limits:
    """`memory` comes on top of the libraries' own; wall time covers loading too; `disk` is all that lies in the child's folder."""

    wall_s: float = 60.0
    cpu_s: int = 60
    memory: int = 3 << 30
    file_bytes: int = 1 << 30
    disk: int = 2 << 30
    reply_bytes: int = 1 << 30


def tasks_of(uid: int) -> int:
    """How many threads run under a uid: the kernel counts all of them against RLIMIT_NPROC. 0 where /proc does not tell."""
    found = 0
    try:
        entries = list(os.scandir("/proc"))
    except OSError:
        return 0
    for entry in entries:
        if entry.name.isdigit():
            try:
                if entry.stat().st_uid == uid:
                    found += max(1, os.stat(f"/proc/{entry.name}/task").st_nlink - 2)
            except OSError:
                continue  # it ended meanwhile
    return found


def keep_only(descriptor: int) -> int:
    """Close everything but standard streams and this one, which becomes 3; a child must not write where its parent's replies go."""
    if descriptor != 3:
        os.dup2(descriptor, 3)
    os.closerange(4, 1 << 16 if not kernel.LINUX else os.sysconf("SC_OPEN_MAX"))
    return 3


def apply(limits: dict, used: int, tasks: int) -> None:
    """Hold this process to `limits`; `used` is the memory it has already, `tasks` how many threads its uid may have (0: as many as it likes)."""
    wanted = [
        ("RLIMIT_CPU", limits["cpu_s"], limits["cpu_s"] + 1),
        ("RLIMIT_FSIZE", limits["file_bytes"], limits["file_bytes"]),
        ("RLIMIT_NOFILE", 64, 64),
        ("RLIMIT_CORE", 0, 0),
    ]
    if kernel.LINUX:
        wanted += [("RLIMIT_AS", used + limits["memory"], used + limits["memory"]), ("RLIMIT_MEMLOCK", 0, 0), ("RLIMIT_MSGQUEUE", 0, 0)]
        if tasks:
            wanted.append(("RLIMIT_NPROC", tasks, tasks))
    for name, soft, hard in wanted:
        kind = getattr(resource, name)
        most = resource.getrlimit(kind)[1]
        within = [value if most == resource.RLIM_INFINITY else min(value, most) for value in (soft, hard)]
        resource.setrlimit(kind, tuple(within))


def end_with_parent(parent: int) -> None:
    """Be killed when `parent`, a process of one thread, ends; be opaque to others of the same uid."""
    if kernel.LINUX:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)
