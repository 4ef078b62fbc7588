"""What a stranger's model could try, one probe after another, each in a child that is sealed as a job's is.

    python tests/reuse/sandbox/battery.py [--without=landlock,seccomp,namespaces] l1|full|none|level [name ...]

prints {probe: "open" | "refused: why" | "killed: signal"}; `none` runs the same probes in plain processes, which shows that each can succeed; `level`
prints what this machine gives, where --without has a kernel that lacks something. The standard library alone: it runs inside the walls, and under
uids that can not read the project's virtual environment.
"""

import ctypes
import errno
import json
import mmap
import os
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from reuse.sandbox import kernel, limits, seal, seccomp
from reuse.sandbox.syscalls import numbers

PROBES = {}
ROOT_ONLY, X86, SYSTEM = set(), set(), set()  # what succeeds outside for root alone, on x86_64 alone, or only where a system is set up for it
LIBC = ctypes.CDLL(None, use_errno=True)
NUMBER = numbers()
HELD = {"wall_s": 5, "cpu_s": 5, "memory": 1 << 30, "file_bytes": 1 << 20}
SECRET = "MOORAGE_BATTERY_SECRET"
where: dict = {}  # what the probes aim at


def probe(*marks):
    def add(function):
        PROBES[function.__name__] = function
        for mark in marks:
            mark.add(function.__name__)
        return function

    return add


def syscall(name, *arguments):
    answer = LIBC.syscall(ctypes.c_long(NUMBER[name]), *(ctypes.c_char_p(a) if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments))
    if answer == -1:
        raise OSError(ctypes.get_errno(), name)
    return answer


# --- network ---------------------------------------------------------------------------------


@probe()
def tcp_to_a_neighbour():
    socket.create_connection(("127.0.0.1", where["tcp"]), 2).close()


@probe()
def udp():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", where["tcp"]))


@probe()
def listen_on_a_port():
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    held.listen()


@probe(SYSTEM)
def ipv6():
    socket.socket(socket.AF_INET6).close()


@probe(ROOT_ONLY)
def raw_packets():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()


@probe()
def unix_socket_of_a_neighbour():
    held = socket.socket(socket.AF_UNIX)
    held.connect(where["unix"])


@probe()
def abstract_socket_of_a_neighbour():
    held = socket.socket(socket.AF_UNIX)
    held.connect("\0" + where["abstract"])


@probe(SYSTEM)
def vsock_to_the_host():
    socket.socket(40, socket.SOCK_STREAM).close()


@probe()
def netlink():
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()


@probe(SYSTEM)
def kernel_crypto_socket():
    socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).close()


@probe()
def socket_pair():
    socket.socketpair()


# --- files -----------------------------------------------------------------------------------


@probe()
def read_etc_passwd():
    Path("/etc/passwd").read_bytes()


@probe()
def read_a_neighbours_file():
    Path(where["secret"]).read_bytes()


@probe()
def read_through_a_relative_path():
    Path(os.path.relpath(where["secret"])).read_bytes()


@probe()
def list_the_root():
    os.listdir("/")


@probe()
def list_a_neighbours_folder():
    os.listdir(where["common"])


@probe()
def write_beside_ones_own_folder():
    (Path(where["common"]) / f"written-{os.getpid()}").write_text("x")


@probe()
def write_shared_memory():
    path = Path(f"/dev/shm/battery-{os.getpid()}")
    path.write_text("x")
    path.unlink()


@probe()
def write_temp():
    path = Path(f"/tmp/battery-{os.getpid()}")
    path.write_text("x")
    path.unlink()


@probe()
def truncate_a_neighbours_file():
    os.truncate(where["open"], 0)


@probe()
def take_a_neighbours_file():
    os.rename(where["movable"], "mine")


@probe()
def delete_a_neighbours_file():
    os.unlink(where["deletable"])


@probe()
def change_what_was_given():
    (Path(where["given"]) / "model").write_text("another")


@probe()
def symlink():
    os.symlink("/etc/passwd", "link")


@probe()
def hard_link():
    os.link(where["open"], "link")


@probe()
def fifo():
    os.mkfifo("fifo")


@probe(ROOT_ONLY)
def device_node():
    os.mknod("null", 0o600 | 0o020000, os.makedev(1, 3))


@probe()
def setuid_bit_at_birth():
    os.umask(0)
    os.close(os.open("suid", os.O_CREAT | os.O_WRONLY, 0o4755))
    assert os.stat("suid").st_mode & 0o4000


@probe()
def setuid_bit_by_chmod():
    Path("own").write_text("x")
    os.chmod("own", 0o4755)


@probe(ROOT_ONLY)
def give_a_file_away():
    Path("own").write_text("x")
    os.chown("own", 12345, 12345)


@probe(SYSTEM)
def extended_attribute():
    Path("own").write_text("x")
    os.setxattr("own", "user.x", b"1")


@probe(ROOT_ONLY)
def file_by_handle():
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
    mount = ctypes.c_int()
    if LIBC.name_to_handle_at(-100, where["secret"].encode(), handle, ctypes.byref(mount), 0):
        raise OSError(ctypes.get_errno(), "name_to_handle_at")
    root = os.open("/", os.O_RDONLY)
    if LIBC.open_by_handle_at(root, handle, 0) < 0:
        raise OSError(ctypes.get_errno(), "open_by_handle_at")


@probe()
def more_than_a_file_may_hold():
    with open("large", "wb") as file:
        file.seek(2 << 30)
        file.write(b"x")


@probe()
def many_descriptors():
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(200)]
    assert len(held) == 200


@probe()
def inherited_descriptors():
    for number in range(4, 256):
        try:
            os.fstat(number)
        except OSError:
            continue
        return
    raise PermissionError(errno.EBADF, "none")


# --- programs and processes ------------------------------------------------------------------


@probe()
def exec_a_shell():
    os.execv("/bin/sh", ["/bin/sh", "-c", "printf open >&3"])


@probe()
def exec_from_memory():
    held = os.memfd_create("program", 0)
    os.write(held, Path("/bin/true").read_bytes() if os.path.exists("/bin/true") else b"#!/bin/sh\n")
    os.execve(held, ["program"], {})


@probe()
def memory_file():
    os.memfd_create("x")


@probe()
def fork():
    if os.fork() == 0:
        os._exit(0)
    os.wait()


@probe()
def clone_a_process():
    if syscall("clone", signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)


@probe()
def clone3_a_process():
    arguments = struct.pack("<8Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    if syscall("clone3", arguments, len(arguments)) == 0:
        os._exit(0)


@probe()
def fork_bomb():
    for _ in range(30):
        if os.fork() == 0:
            time.sleep(1)
            os._exit(0)


@probe()
def thread_bomb():
    gate = threading.Event()
    threading.stack_size(1 << 16)
    held = []
    try:
        for _ in range(200):
            held.append(threading.Thread(target=gate.wait, daemon=True))
            held[-1].start()
    finally:
        gate.set()


@probe()
def own_session():
    if os.getpid() == os.getpgrp():
        os.setpgid(0, os.getpgid(os.getppid()))  # away from whoever would kill the group
    else:
        os.setsid()


@probe()
def change_the_user():
    os.setresuid(-1, -1, -1)


@probe()
def change_the_groups():
    os.setresgid(-1, -1, -1)


@probe(SYSTEM)
def user_namespace():
    syscall("unshare", 0x10000000)


@probe(SYSTEM)
def user_namespace_by_clone():
    if syscall("clone", 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)


@probe(ROOT_ONLY)
def network_namespace():
    syscall("unshare", 0x40000000)


@probe(ROOT_ONLY)
def enter_a_namespace():
    syscall("setns", os.open("/proc/self/ns/uts", os.O_RDONLY), 0)


@probe(ROOT_ONLY)
def mount():
    os.mkdir("mounted")
    if LIBC.mount(b"none", os.path.abspath("mounted").encode(), b"tmpfs", 0, None):
        raise OSError(ctypes.get_errno(), "mount")
    LIBC.umount2(os.path.abspath("mounted").encode(), 2)


@probe(ROOT_ONLY)
def new_mount_interface():
    syscall("fsopen", b"tmpfs\0", 0)


@probe(ROOT_ONLY)
def change_the_root():
    os.chroot(".")


@probe(ROOT_ONLY)
def host_name():
    socket.sethostname(socket.gethostname())


# --- others' memory and signals ----------------------------------------------------------------


@probe()
def be_traced():
    syscall("ptrace", 0, 0, 0, 0)


@probe(ROOT_ONLY)
def trace_a_neighbour():
    syscall("ptrace", 0x4206, where["victim"], 0, 0)  # PTRACE_SEIZE: does not stop it


@probe()
def read_memory_by_process():
    held = ctypes.create_string_buffer(8)
    vector = struct.pack("QQ", ctypes.addressof(held), 8)
    syscall("process_vm_readv", os.getpid(), vector, 1, vector, 1, 0)


@probe()
def write_memory_by_process():
    held = ctypes.create_string_buffer(8)
    vector = struct.pack("QQ", ctypes.addressof(held), 8)
    syscall("process_vm_writev", os.getpid(), vector, 1, vector, 1, 0)


@probe()
def signal_a_neighbour():
    os.kill(where["victim"], 0)


@probe()
def signal_its_parent():
    os.kill(os.getppid(), 0)


@probe()
def signal_everybody():
    os.kill(-1, 0)


@probe()
def signal_a_thread_of_its_parent():
    syscall("tgkill", os.getppid(), os.getppid(), 0)


@probe()
def queue_a_signal():
    syscall("rt_sigqueueinfo", where["victim"], signal.SIGCONT, struct.pack("iii", signal.SIGCONT, 0, -1) + bytes(116))


@probe()
def hold_a_neighbour():
    os.pidfd_open(where["victim"])


@probe(ROOT_ONLY)
def a_neighbours_descriptor():
    syscall("pidfd_getfd", os.pidfd_open(where["victim"]), 0, 0)


@probe()
def environment_of_its_parent():
    Path(f"/proc/{os.getppid()}/environ").read_bytes()


@probe()
def memory_of_its_parent():
    os.close(os.open(f"/proc/{os.getppid()}/mem", os.O_RDONLY))


@probe()
def command_line_of_a_neighbour():
    Path(f"/proc/{where['victim']}/cmdline").read_bytes()


@probe()
def list_of_processes():
    os.listdir("/proc")


@probe()
def secrets_of_the_environment():
    if SECRET not in os.environ:
        raise PermissionError(errno.ENOENT, "none")


@probe(ROOT_ONLY)
def limit_a_neighbour():
    resource.prlimit(where["victim"], resource.RLIMIT_CORE, resource.prlimit(where["victim"], resource.RLIMIT_CORE))


@probe()
def outlive_its_parent():
    kernel.prctl(kernel.PR_SET_PDEATHSIG, 0)


@probe()
def be_dumpable():
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


# --- the kernel's corners ----------------------------------------------------------------------


@probe(SYSTEM)
def keyring():
    syscall("keyctl", 0, -3, 1)


@probe(SYSTEM)
def add_a_key():
    syscall("add_key", b"user\0", b"battery\0", b"x", 1, -2)


@probe(SYSTEM)
def io_uring():
    syscall("io_uring_setup", 4, bytes(120))


@probe(ROOT_ONLY)
def bpf():
    syscall("bpf", 0, struct.pack("<4I", 2, 4, 4, 1) + bytes(104), 72)  # an array map


@probe(SYSTEM)
def performance_events():
    syscall("perf_event_open", struct.pack("<IIQ", 1, 112, 0) + bytes(96), 0, -1, -1, 0)


@probe(ROOT_ONLY)
def user_faults():
    syscall("userfaultfd", 0)


@probe()
def shared_memory_of_system_v():
    syscall("shmctl", syscall("shmget", 0, 4096, 0o1600), 0, 0)


@probe()
def semaphores_of_system_v():
    syscall("semctl", syscall("semget", 0, 1, 0o1600), 0, 0, 0)


@probe()
def messages_of_system_v():
    syscall("msgctl", syscall("msgget", 0, 0o1600), 0, 0)


@probe(SYSTEM)
def message_queue():
    syscall("mq_open", b"battery\0", os.O_CREAT | os.O_RDWR, 0o600, 0)
    syscall("mq_unlink", b"battery\0")


@probe(SYSTEM)
def type_into_a_terminal():
    _, terminal = os.openpty()
    os.setsid() if os.getpid() != os.getpgrp() else None
    if LIBC.ioctl(terminal, 0x5412, b"x"):
        raise OSError(ctypes.get_errno(), "TIOCSTI")


@probe()
def type_into_any_descriptor():
    if LIBC.ioctl(3, 0x5412, b"x") and ctypes.get_errno() in (errno.EPERM, errno.EACCES):
        raise OSError(ctypes.get_errno(), "TIOCSTI")


@probe(ROOT_ONLY)
def set_the_time():
    syscall("settimeofday", 0, 0)


@probe(ROOT_ONLY)
def kernel_log():
    syscall("syslog", 10, 0, 0)


@probe()
def personality():
    syscall("personality", 0x0040000)


@probe()
def another_filter():
    kernel.call("landlock_create_ruleset", None, 0, 1)


@probe(SYSTEM)
def raise_a_limit():
    resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
    resource.setrlimit(resource.RLIMIT_CPU, (50, 50))


@probe(ROOT_ONLY)
def be_more_important():
    os.setpriority(os.PRIO_PROCESS, 0, -5)


@probe()
def more_memory_than_allowed():
    mmap.mmap(-1, 4 << 30).close()


@probe(X86, SYSTEM)
def calls_of_another_architecture():
    held = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    held.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20 (getpid of i386); int 0x80; ret
    address = ctypes.addressof(ctypes.c_char.from_buffer(held))
    if ctypes.CFUNCTYPE(ctypes.c_int)(address)() != os.getpid():
        raise OSError(errno.ENOSYS, "no 32-bit calls")


@probe(X86, SYSTEM)
def calls_of_x32():
    if LIBC.syscall(ctypes.c_long(0x40000000 | NUMBER["getpid"])) == -1:
        raise OSError(ctypes.get_errno(), "no x32")


# --- who runs them -------------------------------------------------------------------------------


def attempt(name: str, level: str, scratch: Path, aims: dict) -> str:
    """Run one probe in a child of its own; what became of it."""
    given, own = scratch / "in", scratch / "out" / name
    own.mkdir()
    reading, writing = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        where.update(aims)
        try:
            os.setpgid(0, 0)
            if level == "none":
                os.dup2(writing, 3)
            else:
                limits.keep_only(writing)
                limits.end_with_parent(parent)
            os.chdir(own)
            if level != "none":
                limits.apply(HELD, 100 << 20, aims["tasks"])
                seal.around_child(given, own)
            PROBES[name]()
            said = "open"
        except OSError as error:
            said = f"refused: {errno.errorcode.get(error.errno, error.errno)}"
        except (MemoryError, RuntimeError, AssertionError, ValueError) as error:
            said = f"refused: {type(error).__name__}"
        except BaseException as error:
            said = f"broken: {error!r}"
        os.write(3, said.encode())
        os._exit(0)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], 20)
    said = os.read(reading, 1000).decode() if ready else "late"
    os.close(reading)
    try:
        os.killpg(child, signal.SIGKILL)
    except OSError:
        pass
    _, status = os.waitpid(child, 0)
    if not said and os.WIFSIGNALED(status):
        return f"killed: {signal.Signals(os.WTERMSIG(status)).name}"
    return said or "open: it became another program"


def inside(asked: dict) -> None:
    """The part of the zygote: seal, then fork for each probe."""
    scratch = Path(asked["scratch"])
    size = os.dup(1)
    os.dup2(2, 1)
    aims = json.loads(sys.stdin.buffer.readline())
    if asked["level"] != "none":
        seal.around_zygote(scratch, uid=asked["uid"], reading=asked["reading"])
    found = {name: attempt(name, asked["level"], scratch, aims) for name in aims["names"]}
    os.write(size, json.dumps(found).encode())


def run(level: str, names: list[str], python: str = "") -> dict[str, str]:
    """The part of the worker: something to aim at, and a sealed process that aims."""
    from reuse.sandbox.launch import Zygote

    class Battery(Zygote):
        WORDS = ("-c", Path(__file__).read_text())

        def _environment(self):
            more = {SECRET: "the-key-to-everything"} if self.level == "none" else {}
            return super()._environment() | more

    os.environ[SECRET] = "the-key-to-everything"
    common = Path(tempfile.mkdtemp(prefix="battery-"))
    common.chmod(0o777)
    for name in ("secret", "open", "movable", "deletable"):
        (common / name).write_text("the-key-to-everything")
        (common / name).chmod(0o666)
    tcp, unix, abstract = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    unix.bind(str(common / "socket"))
    (common / "socket").chmod(0o777)
    abstract.bind(f"\0battery-{os.getpid()}")
    unix.listen()
    abstract.listen()
    victim = subprocess.Popen(["sleep", "600"])
    zygote = Battery(level, python=python)
    try:
        given = zygote.scratch / "in" / "model"
        given.write_text("a model")
        aims = {"names": names, "tcp": tcp.getsockname()[1], "unix": str(common / "socket"), "abstract": f"battery-{os.getpid()}", "victim": victim.pid,
                "common": str(common), "given": str(zygote.scratch / "in"), "tasks": zygote.tasks() or 64,
                **{name: str(common / name) for name in ("secret", "open", "movable", "deletable")}}
        answer, _ = zygote.process.communicate(json.dumps(aims).encode() + b"\n", timeout=300)
        if not answer:
            raise SystemExit(f"nothing came back: {zygote.last_words()}")
        untouched = all((common / name).is_file() and (common / name).stat().st_size for name in ("secret", "open", "movable", "deletable"))
        return json.loads(answer) | {"(the neighbours' files are as they were)": "refused" if untouched and given.read_text() == "a model" else "open"}
    finally:
        zygote.stop()
        victim.kill()
        victim.wait()
        for held in (tcp, unix, abstract):
            held.close()
        shutil.rmtree(common, ignore_errors=True)


def able(root: bool) -> list[str]:
    """The probes that must succeed outside, for root or for anybody; what hangs on how a system is set up is not among them."""
    return [name for name in PROBES if name not in SYSTEM and (root or name not in ROOT_ONLY)]


def take_away(what: str) -> None:
    """Go on under a kernel that lacks something, as a filter plays it."""
    program = seccomp.Program()
    if "landlock" in what:
        program.answer(["landlock_create_ruleset"], seccomp.ENOSYS)
    if "seccomp" in what:
        program.answer(["seccomp"], seccomp.ENOSYS)
    if "namespaces" in what:
        program.answer(["unshare"], seccomp.EPERM)
        program.answer(["clone3"], seccomp.ENOSYS)
        program.decide("clone", [seccomp.Argument(0, (0,), seccomp.NEW_NAMESPACES)], seccomp.ALLOW, seccomp.EPERM)
    seccomp.install(program.close(seccomp.ALLOW))


if __name__ == "__main__":
    if sys.argv[1].startswith("--without="):
        take_away(sys.argv.pop(1))
    if sys.argv[1] == "level":
        from reuse.sandbox import probe as probing

        print(json.dumps(probing.facts()))
    elif sys.argv[1].startswith("{"):
        inside(json.loads(sys.argv[1]))
    else:
        print(json.dumps(run(sys.argv[1], sys.argv[2:] or list(PROBES)), indent=1))
