"""Which system calls a process may make: two filters in classic BPF, by an assembler of our own.

`outer` is a deny list for the zygote, which still has to fork; `strict` an allow list for the child that opens a stranger's model: no exec, no
fork (threads only), no socket, no way to another process. Filters stack, the severest answer wins, and none can be taken back.
https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass, field

from reuse.sandbox import kernel
from reuse.sandbox.syscalls import NEWEST, PROCESSORS, numbers

ARCHITECTURES = (0xC000003E, 0xC00000B7)  # AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64, in the order of the table's columns
X32 = 0x40000000
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
EPERM, ENOSYS = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS
LOAD, AND, EQUAL, AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06

NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
THREAD = 0x10900  # CLONE_VM | CLONE_SIGHAND | CLONE_THREAD
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
SETUID_BITS = 0o6000

DEADLY = """ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise process_mrelease
    mount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr setns unshare
    bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register kexec_load kexec_file_load init_module finit_module delete_module
    keyctl add_key request_key open_by_handle_at reboot swapon swapoff sethostname setdomainname settimeofday clock_settime acct quotactl quotactl_fd
    syslog iopl ioperm modify_ldt vhangup lookup_dcookie nfsservctl fanotify_init uselib""".split()
REFUSED = """execve execveat setuid setgid setreuid setregid setgroups setresuid setresgid setfsuid setfsgid setsid symlink symlinkat link linkat mknod mknodat
    memfd_create memfd_secret name_to_handle_at personality io_setup io_submit io_destroy adjtimex clock_adjtime
    socket socketpair connect bind listen accept accept4 sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg setsockopt getsockopt shutdown
    shmget shmat shmctl semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify
    chown fchown lchown fchownat setxattr lsetxattr fsetxattr pidfd_open pidfd_send_signal fanotify_mark migrate_pages move_pages""".split()
ALLOWED = """read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 close close_range stat fstat lstat newfstatat statx
    access faccessat faccessat2 readlink readlinkat getdents getdents64 lseek mmap mprotect munmap mremap madvise brk msync mincore membarrier futex futex_waitv
    set_robust_list get_robust_list rseq set_tid_address exit exit_group rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend
    sigaltstack gettid getpid getppid getpgrp getpgid getsid getuid geteuid getgid getegid getgroups getresuid getresgid sched_yield sched_getaffinity
    sched_setaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min getpriority getrlimit getrusage times
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getcpu sysinfo uname getcwd chdir fchdir mkdir mkdirat rmdir unlink unlinkat rename
    renameat renameat2 ftruncate truncate fallocate fsync fdatasync fadvise64 dup dup2 dup3 fcntl flock pipe pipe2 poll ppoll select pselect6
    epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd eventfd2 getrandom arch_prctl umask statfs fstatfs restart_syscall pause sendfile
    copy_file_range utimensat capget get_mempolicy readahead cachestat pkey_alloc pkey_free pkey_mprotect map_shadow_stack wait4""".split()
PRCTL = (3, 15, 16, 23, 0x53564D41)  # GET_DUMPABLE, SET_NAME, GET_NAME, CAPBSET_READ, SET_VMA
IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x802C542A)  # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, TCGETS2


@dataclass(frozen=True)
class Argument:
    """A condition on an argument: its low word (after `mask`) is one of `values`; with `whole` its high word is nought too.

    The kernel takes most arguments as 32 bits, so what stands above must not change the answer.
    """

    place: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    whole: bool = False


@dataclass
class Program:
    """A filter under construction; what no rule names gets the last word, `otherwise`."""

    machine: str = ""
    code: list[tuple[int, int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.machine = self.machine or platform.machine()
        column = PROCESSORS[self.machine]
        self.number = numbers(self.machine)
        self.code += [(LOAD, 0, 0, 4), (EQUAL, 1, 0, ARCHITECTURES[column]), (RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]
        if column == 0:  # the same calls by other numbers
            self.code += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, KILL)]
        self.code += [(AT_LEAST, 0, 1, NEWEST), (RETURN, 0, 0, ENOSYS)]

    def answer(self, names: list[str], action: int) -> None:
        """Answer these calls so, whatever their arguments."""
        for number in sorted({self.number[name] for name in names if name in self.number}):
            self.code += [(EQUAL, 0, 1, number), (RETURN, 0, 0, action)]

    def decide(self, name: str, conditions: list[Argument], then: int, otherwise: int) -> None:
        """Answer a call by its arguments: `then` when every condition holds."""
        if name not in self.number:
            return
        block: list[tuple[int, int, int, int]] = []
        for asked in conditions:
            block.append((LOAD, 0, 0, 16 + 8 * asked.place))  # little-endian: the low word first
            if asked.mask != 0xFFFFFFFF:
                block.append((AND, 0, 0, asked.mask))
            last = len(asked.values) - 1
            block += [(EQUAL, last - i + 1, 0, value) for i, value in enumerate(asked.values)]
            block.append((RETURN, 0, 0, otherwise))
            if asked.whole:
                block += [(LOAD, 0, 0, 20 + 8 * asked.place), (EQUAL, 1, 0, 0), (RETURN, 0, 0, otherwise)]
        block.append((RETURN, 0, 0, then))
        self.code += [(EQUAL, 0, len(block), self.number[name]), *block]

    def close(self, otherwise: int) -> bytes:
        """The finished program, as the kernel reads it."""
        self.code.append((RETURN, 0, 0, otherwise))
        return b"".join(struct.pack("<HBBI", *line) for line in self.code)


def outer(machine: str = "") -> bytes:
    """What the zygote may not do, nor whatever it forks: other processes' memory, namespaces, mounts, keys, sockets, exec."""
    program = Program(machine)
    program.answer(DEADLY, KILL)
    program.answer(REFUSED, EPERM)
    program.answer(["clone3"], ENOSYS)  # its flags lie in memory, where a filter can not look: the C library falls back to clone
    program.decide("clone", [Argument(0, (0,), NEW_NAMESPACES)], ALLOW, EPERM)
    program.decide("ioctl", [Argument(1, (TIOCSTI, TIOCLINUX))], KILL, ALLOW)
    return program.close(ALLOW)


def strict(pid: int, machine: str = "") -> bytes:
    """All that process `pid` may still do once the libraries are loaded: files, memory, threads, time."""
    program = Program(machine)
    program.answer(DEADLY, KILL)
    program.answer(ALLOWED, ALLOW)
    program.answer(["clone3"], ENOSYS)
    program.decide("clone", [Argument(0, (THREAD,), NEW_NAMESPACES | THREAD)], ALLOW, EPERM)
    for name in ("tgkill", "kill"):  # abort() and the end of a thread, and nobody else's
        program.decide(name, [Argument(0, (pid,))], ALLOW, EPERM)
    program.decide("ioctl", [Argument(1, IOCTL)], ALLOW, EPERM)
    program.decide("prctl", [Argument(0, PRCTL)], ALLOW, EPERM)
    program.decide("prlimit64", [Argument(0, (0, pid)), Argument(2, (0,), whole=True)], ALLOW, EPERM)  # asking, not setting
    # A new file without a setuid bit.
    for name, place in (("open", 2), ("creat", 1), ("openat", 3)):
        program.decide(name, [Argument(place, (0,), SETUID_BITS)], ALLOW, EPERM)
    return program.close(EPERM)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def install(program: bytes) -> None:
    """Put a filter in force for this process and all that it will start; raises OSError where the kernel has no seccomp."""
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    held = _Program(len(program) // 8, program)
    if kernel.call("seccomp", 1, 1, ctypes.addressof(held)) != 0:  # SET_MODE_FILTER, TSYNC: for every thread; else the id of one that could not
        raise OSError(errno.ESRCH, "a thread could not take the filter")
