"""Uploads by tus against a plain file copy: megabytes for each second of CPU.

The web process as users run it (uvicorn) takes files from a client on the same machine, which sends them over the loopback; only the web
process's own CPU time counts. The limit does what no upload can do without: it writes the bytes, flushes them, and hashes them once.
"""

import argparse
import hashlib
import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.report import Row, main

ROOT = Path(__file__).resolve().parent.parent
MB = 2**20
COPIED = MB  # bytes that a copy reads at once
HEADERS = {"Tus-Resumable": "1.0.0"}


def run(arguments: argparse.Namespace) -> list[Row]:
    size, repeats = (64 if arguments.quick else 400) * MB, arguments.seeds or 3
    rows = []
    with tempfile.TemporaryDirectory(prefix="moorage-uploads-") as folder:
        source = Path(folder) / "model.bin"
        with source.open("wb") as file:
            for _ in range(size // MB):
                file.write(secrets.token_bytes(MB))
        copied = best(repeats, lambda: copy(source, Path(folder) / "copy", with_digest=False))
        hashed = best(repeats, lambda: copy(source, Path(folder) / "copy", with_digest=True))
        with served(Path(folder)) as (port, pid, token):
            for words, part, checksum in (("in one request", size, False), ("in parts of 8 MB", 8 * MB, False), ("in parts of 4 MB with checksums", 4 * MB, True)):
                ours = best(repeats, lambda part=part, checksum=checksum: upload(port, pid, token, source, part, checksum))
                rows.append(Row(f"{size // MB} MB {words}", "MB per CPU s", "", rate(size, ours), limit=rate(size, hashed), note="limit: copy, flush, SHA-256"))
                rows.append(Row(f"{size // MB} MB {words}", "MB per CPU s", "", rate(size, ours), limit=rate(size, copied), note="limit: copy, flush"))
    return rows


def rate(size: int, seconds: float) -> float:
    return size / MB / seconds


def best(repeats: int, measure: Callable[[], float]) -> float:
    """The fewest seconds: what another process takes away only adds to them."""
    return min(measure() for _ in range(repeats))


def copy(source: Path, target: Path, *, with_digest: bool) -> float:
    """CPU seconds of a copy in this process."""
    began, sha256 = time.process_time(), hashlib.sha256()
    with source.open("rb") as read, target.open("wb") as write:
        while part := read.read(COPIED):
            write.write(part)
            if with_digest:
                sha256.update(part)
        write.flush()
        os.fsync(write.fileno())
    return time.process_time() - began


def upload(port: int, pid: int, token: str, source: Path, part: int, checksum: bool) -> float:
    """CPU seconds that the web process spends on one upload, from its beginning to its cancellation."""
    import base64

    before, size = cpu_seconds(pid), source.stat().st_size
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    said = HEADERS | {"Authorization": f"Token {token}"}
    address = ask(line, "POST", "/api/v1/uploads", said | {"Upload-Length": str(size), "Content-Length": "0"}).headers["Location"]
    with source.open("rb") as file:
        for offset in range(0, size, part):
            content = file.read(part)
            more = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            if checksum:
                more["Upload-Checksum"] = "sha256 " + base64.b64encode(hashlib.sha256(content).digest()).decode()
            ask(line, "PATCH", address, said | more, content)
    spent = cpu_seconds(pid) - before
    ask(line, "DELETE", address, said)
    line.close()
    return spent


def ask(line: http.client.HTTPConnection, method: str, address: str, headers: dict[str, str], content: bytes | None = None) -> http.client.HTTPResponse:
    line.request(method, address, content, headers)
    answer = line.getresponse()
    body = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{method} {address} answered {answer.status}: {body[:300]!r}")
    return answer


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, int, str]]:
    """(port, process id, token) of a web process on a home of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")}
    environment |= {"MOORAGE_HOME": str(folder / "home"), "MOORAGE_LOG_LEVEL": "ERROR"}
    made = "from marketplace.accounts.models import User; from marketplace.accounts.services import create_token; print('token', create_token(User.objects.create_user('alice'), 'b', ['upload'])[1])"
    for command in (["migrate", "--verbosity", "0"], ["createcachetable"], ["shell", "-c", made]):
        done = subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    token = done.stdout.split("token ")[1].split()[0]
    web = subprocess.Popen([sys.executable, "-m", "uvicorn", "marketplace.asgi:application", "--port", str(port), "--log-level", "error"], cwd=ROOT, env=environment)
    try:
        wait(port)
        yield port, web.pid, token
    finally:
        web.terminate()
        web.wait(30)


def wait(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            line.request("GET", "/health/live")
            json.loads(line.getresponse().read())
            return
        except (OSError, ValueError):
            time.sleep(0.2)
    raise RuntimeError("The web process did not answer within a minute.")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main("uploads", run, doc=__doc__, packages=("django", "uvicorn"))
