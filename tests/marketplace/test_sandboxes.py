"""A worker tries its sandbox once, whatever the size of its pool; its children inherit the answer and never more than that."""

import os
import signal
import subprocess
import sys
import time

import pytest

from marketplace import sandboxes
from reuse.sandbox import probe
from tests.journeys.site import ROOT


@pytest.fixture
def tries(monkeypatch, tmp_path):
    """tries(*outcomes): what the trial of each level says, one after the other; returns a function that counts trials, those of forked children too."""
    log = tmp_path / "tries"
    log.touch()
    monkeypatch.setenv(probe.VARIABLE, "l1")

    def set_up(*outcomes: str):
        left = list(outcomes)

        def tried(name, python):
            with log.open("a") as file:
                file.write(name + "\n")
            return left.pop(0)

        monkeypatch.setattr(probe, "lacks", lambda name, python="": tried(name, python))
        probe.forget()
        return lambda: len(log.read_text().split())

    yield set_up
    probe.forget()


def in_a_child(act) -> int:
    """The exit code of a forked child that acts."""
    pid = os.fork()
    if pid == 0:
        os._exit(act())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_children_take_the_level_that_their_worker_found(tries):
    count = tries("")
    sandboxes.find_level()

    def child():
        sandboxes.inherit_level()
        return 0 if probe.required().name == "l1" else 1

    assert [in_a_child(child) for _ in range(3)] == [0, 0, 0] and count() == 1


def test_a_refusal_is_not_inherited_and_holds_until_a_trial_succeeds(tries):
    count = tries("its trial did not end within 30 s", "no Landlock")
    sandboxes.find_level()
    assert not probe.level().may_run

    def still_refuses():
        sandboxes.inherit_level()
        return 0 if not probe.level().may_run else 1

    assert in_a_child(still_refuses) == 0 and count() == 2
    count = tries("busy", "")
    sandboxes.find_level()

    def may_run():
        sandboxes.inherit_level()
        return 0 if probe.required().name == "l1" else 1

    assert in_a_child(may_run) == 0 and not probe.level().may_run


def test_what_is_announced_was_tried_again_where_it_was_refused(tries, db):
    from django.core.cache import cache

    cache.delete(sandboxes.KEY)
    count = tries("busy", "busy", "")
    sandboxes.find_level()
    for said in ("refuses", "l1", "l1"):
        sandboxes.announce()
        assert sandboxes.announced()["level"] == said
    assert count() == 3
    cache.delete(sandboxes.KEY)


def test_a_worker_of_three_children_tries_and_says_it_once(tmp_path):
    """A real worker, whose trials are counted by the programs that it starts."""
    home = tmp_path / "home"
    site = tmp_path / "site"
    site.mkdir()
    # Every process of the worker imports this at its start, and notes the trials that it makes.
    (site / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if sys.argv and 'celery' in ' '.join(sys.orig_argv):\n"
        "    from reuse.sandbox import probe\n"
        "    real = probe.lacks\n"
        "    def lacks(name, python=''):\n"
        f"        open({str(tmp_path / 'tries')!r}, 'a').write(f'{{name}} {{os.getpid()}}\\n')\n"
        "        return real(name, python)\n"
        "    probe.lacks = lacks\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MOORAGE_")}
    environment |= {"MOORAGE_HOME": str(home), "PYTHONPATH": f"{site}:{ROOT}", "MOORAGE_SANDBOX_LEVEL": "l1", "MOORAGE_LOG_LEVEL": "INFO"}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=environment, check=True, timeout=120)
    log = tmp_path / "log"
    with log.open("w") as out:
        worker = subprocess.Popen([sys.executable, "-m", "celery", "-A", "marketplace", "worker", "--concurrency", "3", "--loglevel", "INFO"], cwd=ROOT, env=environment, stdout=out, stderr=out)
        try:
            until = time.monotonic() + 90
            while "sandbox: " not in log.read_text() and time.monotonic() < until and worker.poll() is None:
                time.sleep(0.2)
            ready = subprocess.run(["pgrep", "-P", str(worker.pid)], capture_output=True, text=True).stdout.split()
            time.sleep(8)  # in which each child has warmed up
        finally:
            worker.send_signal(signal.SIGTERM)
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
    said = log.read_text()
    assert len(ready) >= 3 and said.count("sandbox: ") == 1, said
    assert (tmp_path / "tries").read_text().split() == ["l1", str(worker.pid)], said
