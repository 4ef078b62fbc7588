"""The second wall of level full: bubblewrap puts the zygote into namespaces of its own, unprivileged.

https://github.com/containers/bubblewrap. Where a container refuses namespaces it fails, and level l1 stands alone.
"""

import shutil
from pathlib import Path

TMP_BYTES = 64 << 20


def program() -> str | None:
    """Where bubblewrap is."""
    return shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin")


def command(readable: list[str], scratch: Path) -> list[str]:
    """What comes before a command to run it among nothing but `readable` folders and files, and the two folders of `scratch`.

    No --new-session and no --die-with-parent: the starter makes the session, and the kernel's signal would follow the end of a thread.
    """
    words = [
        program() or "bwrap", "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
        "--cap-drop", "ALL", "--hostname", "sandbox",
    ]
    words += ["--dev", "/dev", "--proc", "/proc", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"]  # before what may lie below them
    for path in sorted({*readable}):  # what contains comes before what it contains
        if not path.startswith(("/proc/", "/dev/")):
            words += ["--ro-bind-try", path, path]
    words += ["--ro-bind", str(scratch / "in"), str(scratch / "in"), "--bind", str(scratch / "out"), str(scratch / "out")]
    return [*words, "--remount-ro", "/", "--chdir", "/", "--"]
