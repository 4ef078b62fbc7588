"""Starting a zygote at a level: who it is, what it sees, and the folder through which files reach it."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from reuse.sandbox import bubble, identity, limits, seal

ROOT = seal.ROOT
PREFIX = "moorage-sandbox-"
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
DEVICES = ("MOORAGE_DEVICE", "CUDA_VISIBLE_DEVICES")
TASKS = 64  # threads of a child, and the zygote itself
STOP_S = 2


class Zygote:
    """A sealed process that waits for requests, and its scratch folder: `in` it may only read, `out` it may write. Raises OSError when it can not start."""

    WORDS = ("-m", "reuse.sandbox.zygote")

    def __init__(self, level: str, *, python: str = "", trial: bool = False) -> None:
        self.level, self.calls = level, 0
        self.uid = identity.pick() if level != "none" else None
        python = python or sys.executable
        # A new user can not start a Python that only root may read (a virtual environment below /root): then root starts it, and it changes inside.
        self.reading = self.uid is not None and not reachable(python)
        self._own = self.uid is not None and not self.reading
        self.scratch = self._folder()
        asked = {"level": level, "scratch": str(self.scratch), "uid": self.uid if self.reading else None, "reading": self.reading, "trial": trial}
        before = bubble.command([path for path in seal.readable() if self.uid is None or identity.can_reach(path)], self.scratch) if level == "full" else []
        identified = {"user": self.uid, "group": self.uid, "extra_groups": []} if self._own else {}
        try:
            self.process = subprocess.Popen(
                [*before, python, "-s", *self.WORDS, json.dumps(asked)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=self._words, env=self._environment(), cwd="/", close_fds=True, start_new_session=True, **identified,
            )
        except OSError:
            self._remove()
            raise

    def last_words(self) -> str:
        """The last line that it wrote to its standard error: why it ended, if it did."""
        lines = os.pread(self._words, 1 << 16, 0).decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else f"exit code {self.process.poll()}"

    def _folder(self) -> Path:
        sweep()
        scratch = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = os.open(scratch / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._words = os.open(scratch / "words", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        for name in ("in", "out"):
            (scratch / name).mkdir(mode=0o700)
        if self.uid is not None:
            os.chown(scratch, 0, self.uid)
            os.chown(scratch / "in", 0, self.uid)
            os.chown(scratch / "out", self.uid, self.uid)
            scratch.chmod(0o710)
            (scratch / "in").chmod(0o750)
        return scratch

    def _environment(self) -> dict[str, str]:
        found = {name: os.environ[name] for name in (*KEPT, *(DEVICES if self.level == "none" else ())) if name in os.environ}
        if self.level != "none":  # a GPU is driven through device files and ioctls that these walls do not let through
            found |= {"MOORAGE_DEVICE": "cpu", "CUDA_VISIBLE_DEVICES": ""}
        if sys.platform == "darwin":
            found["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"  # nothing of Objective-C has run when it forks
        return found | {
            "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
            "NUMEXPR_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore",
            "JE_ARROW_MALLOC_CONF": "background_thread:false",  # pandas brings Arrow's allocator: a thread of its own would not live through a fork
            "HOME": "/nonexistent", "TMPDIR": str(self.scratch / "out"),
        }

    def tasks(self) -> int:
        """How many threads a child may bring its uid to; 0 where the kernel would not count (root)."""
        if self.uid is not None:
            return TASKS
        own = os.getuid() if hasattr(os, "getuid") else 0
        return TASKS + limits.tasks_of(own) if own and self.level != "none" else 0

    def give(self, name: str, files: dict[str, Path]) -> Path:
        """Copy files into a new folder below `in`, for the zygote's eyes alone; returns it."""
        folder = self.scratch / "in" / name
        folder.mkdir(mode=0o700)
        for given, path in files.items():
            shutil.copyfile(path, folder / given)
            self._show(folder / given, 0o440)
        self._show(folder, 0o750)
        return folder

    def take_back(self, name: str) -> None:
        """Remove what was given under a name."""
        shutil.rmtree(self.scratch / "in" / name, ignore_errors=True)

    def _show(self, path: Path, mode: int) -> None:
        if self.uid is not None:
            os.chown(path, 0, self.uid)
            path.chmod(mode)

    def stop(self) -> None:
        """End it, whatever it is doing, and remove its folder."""
        for stream in (self.process.stdin, self.process.stdout):
            try:
                stream.close()
            except OSError:
                pass
        deadline = time.monotonic() + STOP_S
        while self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        try:  # the session holds bubblewrap and what runs inside it
            os.killpg(self.process.pid, signal.SIGKILL)
        except OSError:
            pass
        self.process.wait()
        self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        os.close(self._lock)
        os.close(self._words)


def reachable(python: str) -> bool:
    """Whether a user without rights can start this Python, import from where it imports, and enter the folder for temporary files."""
    own = (sys.prefix, sys.base_prefix) if python == sys.executable else ()
    return all(identity.can_reach(path) for path in (python, *own, ROOT / "reuse", tempfile.gettempdir()))


def sweep() -> None:
    """Remove scratch folders whose owner was killed: nobody holds their lock."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            descriptor = os.open(folder / "lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # somebody else's, or being made
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if folder.lstat().st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass
        finally:
            os.close(descriptor)
