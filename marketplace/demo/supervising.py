"""Web and worker as children of one process: started together, watched, stopped together."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from django.conf import settings

WORRYING = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b|Traceback")
STOP_S = 20
RESTARTS = 5  # within RESTARTS_S; then something is wrong that a restart does not mend
RESTARTS_S = 120
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before the fork that uses it


class Gone(Exception):
    """A child ended and a restart did not help; the text says where its log is."""


class Child:
    """A process whose output goes to a log file, and what is worrying in it to the terminal."""

    def __init__(self, name: str, arguments: list[str], env: dict[str, str], say: Callable[[str], None], verbose: bool) -> None:
        self.name, self.arguments, self.env, self.say, self.verbose = name, arguments, env, say, verbose
        self.log = settings.HOME / "logs" / f"{name}.log"
        self.started: list[float] = []
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.started = [*[at for at in self.started if at > time.monotonic() - RESTARTS_S], time.monotonic()]
        # A session of its own: Ctrl-C reaches the supervisor alone, which then stops its children in order.
        self.process = subprocess.Popen(
            [sys.executable, "-m", *self.arguments], cwd=settings.BASE_DIR, env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        threading.Thread(target=self._relay, args=(self.process.stdout,), daemon=True).start()

    def _relay(self, output: IO[bytes]) -> None:
        with self.log.open("ab") as log:
            for line in output:
                log.write(line)
                log.flush()
                text = line.decode(errors="replace").rstrip()
                if self.verbose or WORRYING.search(text):
                    self.say(f"{self.name:6} | {text}")

    def watch(self) -> None:
        """Start it again when it has ended; raises Gone when that happens too often."""
        if self.process is None or self.process.poll() is None:
            return
        if len(self.started) > RESTARTS:
            raise Gone(f"The {self.name} process ended {len(self.started)} times in {RESTARTS_S} s. Its log: {self.log}")
        self.say(f"The {self.name} process ended (exit code {self.process.returncode}); it is started again.")
        self.start()

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def stop(self) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            pass
        try:  # whatever the child left behind in its session
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.process.wait(5)


class Supervisor:
    """`with Supervisor(...) as site:` runs web and worker at `site.url` until the block ends, however it ends."""

    def __init__(self, *, port: int, host: str = "127.0.0.1", say: Callable[[str], None], verbose: bool = False) -> None:
        self.host, self.port = host, free_port(host, port)
        self.url = os.environ.get("MOORAGE_PUBLIC_URL") or f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{self.port}"
        env = dict(os.environ, MOORAGE_PUBLIC_URL=self.url, MOORAGE_HOME=str(settings.HOME), PYTHONUNBUFFERED="1")
        env.setdefault("OMP_NUM_THREADS", "1")  # jobs run beside one another, each on a core of its own
        if host not in ("127.0.0.1", "localhost"):
            env.setdefault("MOORAGE_ALLOWED_HOSTS", "*")
        workers = str(max(1, min(4, os.cpu_count() or 1)))
        web = ["uvicorn", "marketplace.asgi:application", "--host", host, "--port", str(self.port), "--log-level", "warning", "--no-access-log",
               "--timeout-keep-alive", "75"]  # longer than a proxy keeps its own end (60 s): none is closed under a request
        worker = ["celery", "--quiet", "-A", "marketplace", "worker", "--concurrency", workers, "--loglevel", "info", "--without-mingle", "--without-gossip",
                  "--hostname", f"worker-{os.getpid()}@%h"]
        self.children = [Child("web", web, env, say, verbose), Child("worker", worker, env, say, verbose)]

    def __enter__(self) -> "Supervisor":
        try:
            for child in self.children:
                child.start()
            self._until_it_answers(60)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()

    def watch(self, over: threading.Event) -> None:
        """Keep both running until `over` is set."""
        while not over.wait(0.5):
            for child in self.children:
                child.watch()

    def stop(self) -> None:
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.stop()

    def _until_it_answers(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not _answers(f"http://{'127.0.0.1' if self.host == '0.0.0.0' else self.host}:{self.port}/health/live"):
            web = self.children[0]
            if web.process.poll() is not None or time.monotonic() > until:
                raise Gone(f"The web process does not answer. The end of its log, {web.log}:\n{_tail(web.log)}")
            time.sleep(0.05)


def free_port(host: str, wanted: int) -> int:
    """`wanted`, or the next of twenty that nobody listens on; 0 gives any."""
    for port in range(wanted, wanted + 20) if wanted else [0]:
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((host, port))
            except OSError:
                continue
            return tried.getsockname()[1]
    raise Gone(f"The ports {wanted} to {wanted + 19} of {host} are all taken. Choose another: python3 run.py --port 9000")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-15:]) if path.exists() else ""


def _end_with_parent() -> None:
    # A supervisor that was killed outright can not stop its children; the kernel tells them.
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
