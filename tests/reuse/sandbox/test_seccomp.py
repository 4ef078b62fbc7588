"""The filters, read by an interpreter of their language: what they answer to any call, on both processors."""

import os
import re
import struct
from pathlib import Path

import pytest

from reuse.sandbox import seccomp
from reuse.sandbox.syscalls import TABLE, numbers

HEADERS = {
    "x86_64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"),
    "aarch64": ("/usr/include/asm-generic/unistd.h",),
}
MACHINES = list(zip(("x86_64", "aarch64"), seccomp.ARCHITECTURES, strict=True))


def answer(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """What the kernel would answer: classic BPF over struct seccomp_data."""
    data = struct.pack("<iIQ6Q", number, architecture, 0, *[a % 2**64 for a in (*arguments, 0, 0, 0, 0, 0, 0)[:6]])
    lines, at, held = list(struct.iter_unpack("<HBBI", program)), 0, 0
    while True:
        code, yes, no, k = lines[at]
        at += 1
        if code == 0x20:
            (held,) = struct.unpack_from("<I", data, k)
        elif code == 0x54:
            held &= k
        elif code == 0x15:
            at += yes if held == k else no
        elif code == 0x35:
            at += yes if held >= k else no
        else:
            assert code == 0x06
            return k


def test_every_rule_of_the_filters_names_a_call_of_the_table():
    known = {entry.split(":")[0] for entry in TABLE.split()}
    assert {*seccomp.DEADLY, *seccomp.REFUSED, *seccomp.ALLOWED} <= known
    assert not {*seccomp.ALLOWED} & {*seccomp.DEADLY, *seccomp.REFUSED}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_numbers_are_the_kernels(machine):
    header = next((path for path in HEADERS[machine] if Path(path).exists()), None)
    if header is None:
        assert numbers(machine)["seccomp"] == {"x86_64": 317, "aarch64": 277}[machine]
        return
    said = {name: int(number) for name, number in re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)\s*$", Path(header).read_text(), re.MULTILINE)}
    assert len(said) > 250
    assert {name: number for name, number in numbers(machine).items() if name in said and said[name] != number} == {}
    assert len(said.keys() & numbers(machine).keys()) > 200


@pytest.mark.parametrize(("machine", "architecture"), MACHINES)
def test_a_child_may_work_and_do_nothing_else(machine, architecture):
    known, program = numbers(machine), seccomp.strict(77, machine)
    said = {name: answer(program, architecture, number) for name, number in known.items()}
    assert {said[name] for name in ("read", "write", "openat", "mmap", "futex", "exit_group", "clock_gettime")} == {seccomp.ALLOW}
    assert {said[name] for name in seccomp.DEADLY if name in known} == {seccomp.KILL}
    assert {said[name] for name in seccomp.REFUSED if name in known} == {seccomp.EPERM}
    assert said["clone3"] == seccomp.ENOSYS and answer(program, architecture, 700) == seccomp.ENOSYS
    other = next(a for _, a in MACHINES if a != architecture)
    assert answer(program, other, known["read"]) == seccomp.KILL


@pytest.mark.parametrize(("machine", "architecture"), MACHINES)
@pytest.mark.parametrize(("name", "arguments", "allowed"), [
    ("clone", (0x3D0F00,), True), ("clone", (17,), False), ("clone", (0x3D0F00 | 0x10000000,), False), ("clone", (0x100,), False),
    ("tgkill", (77, 77, 6), True), ("tgkill", (1, 1, 9), False), ("kill", (77, 9), True), ("kill", (-1, 9), False), ("kill", (2**32 + 77, 9), True),
    ("ioctl", (3, 0x5401), True), ("ioctl", (3, 0x5412), False), ("ioctl", (3, 2**32 + 0x5412), False),
    ("prctl", (15,), True), ("prctl", (1,), False), ("prctl", (4,), False), ("prctl", (38,), False),
    ("prlimit64", (0, 7, 0), True), ("prlimit64", (0, 7, 2**32), False), ("prlimit64", (0, 7, 4096), False), ("prlimit64", (1, 7, 0), False),
    ("openat", (0, 0, 0o101, 0o644), True), ("openat", (0, 0, 0o101, 0o4755), False), ("openat", (0, 0, 0o101, 0o2755), False),
])
def test_arguments_decide(machine, architecture, name, arguments, allowed):
    said = answer(seccomp.strict(77, machine), architecture, numbers(machine)[name], *arguments)
    assert (said == seccomp.ALLOW) is allowed


@pytest.mark.parametrize(("machine", "architecture"), MACHINES)
def test_the_zygote_may_fork_and_seal_further(machine, architecture):
    known, program = numbers(machine), seccomp.outer(machine)
    for name in ("seccomp", "prctl", "landlock_create_ruleset", "landlock_restrict_self", "kill", "wait4", "prlimit64", "setpgid"):
        assert answer(program, architecture, known[name]) == seccomp.ALLOW
    assert answer(program, architecture, known["clone"], 17) == seccomp.ALLOW
    assert answer(program, architecture, known["clone"], 17 | 0x10000000) == seccomp.EPERM
    assert answer(program, architecture, known["ioctl"], 0, 0x5412) == seccomp.KILL
    assert answer(program, architecture, known["execve"]) == seccomp.EPERM


def test_the_same_calls_by_their_x32_numbers_are_refused():
    assert answer(seccomp.strict(1, "x86_64"), seccomp.ARCHITECTURES[0], 0x40000000) == seccomp.KILL


def test_programs_are_as_long_as_the_kernel_takes():
    assert all(len(program) // 8 < 4096 for machine, _ in MACHINES for program in (seccomp.outer(machine), seccomp.strict(os.getpid(), machine)))
