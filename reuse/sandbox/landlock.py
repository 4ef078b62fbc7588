"""Landlock by ctypes: which folders a process and its children may touch from now on. Nothing takes it back.

https://docs.kernel.org/userspace-api/landlock.html. What a kernel does not know yet is not restricted by it; the seccomp filters stand beside.
"""

import os
import stat
import struct
from pathlib import Path

from reuse.sandbox import kernel

NAMES = (
    "execute", "write_file", "read_file", "read_dir", "remove_dir", "remove_file", "make_char", "make_dir", "make_reg", "make_sock", "make_fifo",
    "make_block", "make_sym", "refer", "truncate", "ioctl_dev",
)
SINCE = {"refer": 2, "truncate": 3, "ioctl_dev": 5}  # the version of the interface that first knew a right
BIT = {name: 1 << place for place, name in enumerate(NAMES)}
OF_FILES = BIT["execute"] | BIT["write_file"] | BIT["read_file"] | BIT["truncate"] | BIT["ioctl_dev"]  # all that a rule on a plain file may carry

READ = ("read_file", "read_dir")
WRITE = (*READ, "write_file", "truncate", "make_reg", "make_dir", "remove_file", "remove_dir", "refer")
DEVICE = ("read_file", "write_file")
EXECUTE = (*READ, "execute")


def version() -> int:
    """The version of the kernel's interface; 0 where there is no Landlock."""
    try:
        return kernel.call("landlock_create_ruleset", None, 0, 1) if kernel.LINUX else 0
    except OSError:
        return 0


def restrict(rules: list[tuple[str | Path, tuple[str, ...]]]) -> None:
    """From now on this process touches only what a rule (path, rights) allows: no other file, no TCP port, no abstract socket or process outside.

    Paths that do not exist are left out. Raises OSError where the kernel has no Landlock.
    """
    known = version()
    if not known:
        raise OSError(38, "the kernel has no Landlock")
    files = sum(bit for name, bit in BIT.items() if SINCE.get(name, 1) <= known)
    # Handled without a rule = refused: binding and connecting TCP (from 4 on), abstract sockets and signals to others (from 6 on).
    attribute = struct.pack("<QQQ", files, 0b11, 0b11)[: 8 if known < 4 else 16 if known < 6 else 24]
    ruleset = kernel.call("landlock_create_ruleset", attribute, len(attribute), 0)
    try:
        for path, rights in rules:
            _allow(ruleset, path, sum(BIT[name] for name in rights) & files)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str | Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= OF_FILES
        kernel.call("landlock_add_rule", ruleset, 1, struct.pack("<Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)
