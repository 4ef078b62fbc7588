"""The few calls of the kernel that Python has no name for: prctl, capabilities, and system calls by number."""

import ctypes
import os
import struct
import sys

from reuse.sandbox.syscalls import numbers

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 8, 36, 38
CAP_DAC_READ_SEARCH = 2
CAPABILITIES_V3 = 0x20080522

LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None
_numbers = numbers() if LINUX else {}


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument; raises OSError."""
    if _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}): {os.strerror(ctypes.get_errno())}")


def call(name: str, *arguments: int | bytes | None) -> int:
    """A system call by name; numbers are passed as longs, bytes by their address. Raises OSError, with ENOSYS where there is none."""
    if name not in _numbers:
        raise OSError(38, f"{name} has no number on this processor")
    given = [ctypes.c_char_p(a) if isinstance(a, bytes) else ctypes.c_void_p(None) if a is None else ctypes.c_long(a) for a in arguments]
    answer = _libc.syscall(ctypes.c_long(_numbers[name]), *given)
    if answer == -1:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return answer


def set_capabilities(held: int) -> None:
    """Have exactly these capabilities (a bit mask), permitted and effective, and pass none on."""
    low, high = held & 0xFFFFFFFF, held >> 32
    call("capset", struct.pack("<Ii", CAPABILITIES_V3, 0), struct.pack("<6I", low, low, 0, high, high, 0))
