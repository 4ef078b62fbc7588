"""A whole Moorage in subprocesses: web and worker on a home folder of their own, as `run.py` starts them."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2

from tests import services

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct-horse-battery"


class Site:
    """web() and worker() start processes, stop() ends them; `client(token)` talks to the web."""

    def __init__(self, home: Path, *, app: str = "marketplace", **settings: str) -> None:
        self.home, self.port, self.app = home, _free_port(), app
        self.url = f"http://127.0.0.1:{self.port}"
        own, self._forget = services.own()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MOORAGE_", "DJANGO_"))}
        self.env = kept | {
            "MOORAGE_HOME": str(home),
            "MOORAGE_PUBLIC_URL": self.url,
            "MOORAGE_RATE_TOKENS": "10000/min",
            "MOORAGE_RATE_SEARCHES": "1000000/min",
            "MOORAGE_MATCH_MB_HOUR": "1000000",
            "MOORAGE_JOB_LEASE_S": "3",
            "MOORAGE_REAP_EVERY_S": "1",
            "OMP_NUM_THREADS": "1",
        } | own | settings
        self._web: subprocess.Popen | None = None
        self._worker: subprocess.Popen | None = None

    def manage(self, *arguments: str, seconds: float = 120) -> str:
        done = subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=seconds)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def prepare(self, *people: str) -> None:
        """Tables, and people whose password is PASSWORD."""
        self.manage("migrate", "--verbosity", "0")
        self.manage("createcachetable")
        make = "from marketplace.accounts.models import User;" + ";".join(
            f"User.objects.create_user({name!r}, password={PASSWORD!r})" for name in people
        )
        self.manage("shell", "-c", make)

    def start_web(self, processes: int = 1) -> None:
        several = ("--workers", str(processes)) if processes > 1 else ()
        self._web = self._start("web", "uvicorn", "marketplace.asgi:application", "--port", str(self.port), "--log-level", "warning", "--no-access-log",
                                "--timeout-keep-alive", "75", *several)
        wait(lambda: self._web.poll() is None and _answers(f"{self.url}/health/live"), 180, lambda: self.log("web"))

    def start_worker(self, concurrency: int = 1) -> subprocess.Popen:
        # A session of its own: what a test kills is this worker and nothing beside it.
        self._worker_name = f"worker-{time.time_ns()}@localhost"
        self._worker = self._start(
            "worker", "celery", "-A", self.app, "worker", "--concurrency", str(concurrency), "--loglevel", "info",
            "--without-mingle", "--without-gossip", "--hostname", self._worker_name,
        )
        return self._worker

    @property
    def worker_is_ready(self) -> bool:
        """It has said so in its log: from about then on it takes jobs."""
        return f"{self._worker_name} ready." in (self.home / "worker.log").read_text(errors="replace")

    @property
    def worker_pid(self) -> int:
        return self._worker.pid

    @property
    def worker_runs(self) -> bool:
        return self._worker.poll() is None

    def kill_worker(self) -> None:
        """kill -9 of the worker's main process: no goodbye, no acknowledgement, no cleaning up."""
        if self.worker_runs:
            os.kill(self._worker.pid, signal.SIGKILL)
            self._worker.wait(10)

    def kill_web(self) -> None:
        """kill -9 of the web server."""
        os.kill(self._web.pid, signal.SIGKILL)
        self._web.wait(10)

    def stop(self) -> None:
        for process in (self._worker, self._web):
            if process is None or process.poll() is not None:
                continue
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        self._forget()

    def log(self, name: str) -> str:
        path = self.home / f"{name}.log"
        return path.read_text(errors="replace")[-8000:] if path.exists() else ""

    def client(self, token: str = "") -> httpx2.Client:
        headers = {"Authorization": f"Token {token}"} if token else {}
        return httpx2.Client(base_url=f"{self.url}/api/v1/", headers=headers, timeout=60)

    def token(self, name: str, scopes: list[str]) -> str:
        body = {"username": name, "password": PASSWORD, "name": "test", "scopes": scopes}
        answer = self.client().post("tokens", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["token"]

    def _start(self, name: str, *arguments: str) -> subprocess.Popen:
        with (self.home / f"{name}.log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True)


def wait(true: Any, seconds: float, say: Any = lambda: "") -> Any:
    """What `true()` returns as soon as it is truthy; fails after so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := true():
            return found
        time.sleep(0.1)
    raise AssertionError(f"Waited {seconds} s in vain.\n{say()}")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=2).status_code == 200
    except httpx2.HTTPError:
        return False
