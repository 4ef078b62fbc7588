"""The supervisor: starts both, survives a child's death, stops both; and the demo's commands on a small market."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from tests.journeys.site import ROOT, wait


@pytest.fixture
def up(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MOORAGE_", "DJANGO_"))}
    log = (tmp_path / "up.log").open("wb")
    process = subprocess.Popen([sys.executable, "manage.py", "up", "--no-seed", "--port", "8731"], cwd=ROOT, env=kept | {"MOORAGE_HOME": str(tmp_path)}, stdout=log, stderr=log,
                               start_new_session=True)

    def text():
        return (tmp_path / "up.log").read_text(errors="replace")

    try:
        found = wait(lambda: process.poll() is None and re.search(r"up at (http://[\w.:]+)", text()), 60, text)
        yield process, found[1], text, tmp_path
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(40)
        log.close()


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_it_starts_answers_and_stops_cleanly(up):
    process, url, text, _ = up
    assert httpx2.get(f"{url}/health/live").status_code == 200 and httpx2.get(url).status_code == 200
    began = {pid: pid for pid in children(process.pid)}
    assert len(began) == 2
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 0 and "Stopped." in text() and "Traceback" not in text()
    assert not [pid for pid in began if os.path.exists(f"/proc/{pid}")]


def test_a_child_that_dies_is_started_again(up):
    process, url, text, _ = up
    victim = next(pid for pid in children(process.pid) if b"uvicorn" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(victim, signal.SIGKILL)
    wait(lambda: "started again" in text(), 20, text)
    wait(lambda: _alive(url), 20, text)


def test_children_do_not_outlive_a_supervisor_that_was_killed(up):
    process, _, _, _ = up
    left = children(process.pid)
    process.kill()
    process.wait()
    wait(lambda: not [pid for pid in left if _runs(pid)], 30)


def test_a_port_that_is_taken_is_stepped_over(up, tmp_path_factory):
    _, url, _, _ = up
    from marketplace.demo.supervising import free_port

    port = int(url.rsplit(":", 1)[1])
    assert free_port("127.0.0.1", port) != port


def test_the_demo_refuses_a_task_that_there_is_not():
    done = subprocess.run([sys.executable, "manage.py", "demo", "--tasks", "flying"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "diamonds-estate" in done.stderr and "Traceback" not in done.stderr


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _alive(url):
    try:
        return httpx2.get(f"{url}/health/live", timeout=1).status_code == 200
    except httpx2.HTTPError:
        time.sleep(0.2)
        return False


