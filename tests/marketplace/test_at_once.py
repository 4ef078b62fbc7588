"""What holds when many connections, of several processes, write at once: the chain of the audit log, and the room of an account. In a database of its own, SQLite or PostgreSQL."""

import json
import os
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.journeys.site import ROOT
from tests.services import own

PROCESSES, THREADS, EACH = 3, 6, 10
ALL = PROCESSES * THREADS * EACH
MADE = """
from marketplace.accounts.models import User
from marketplace.catalog.models import Learnware, Space, Upload
first = [User.objects.create(username=f"crowd{number}", quota_gb=1) for number in range(5)][0]
Space.objects.create(id="0" * 64, name="homes", document={})
Learnware.objects.create(owner=first, name="flats")
Upload.objects.create(owner=first, name="big.onnx", size=(1 << 30) - (7 << 20), expires="2999-01-01T00:00Z")
"""
COUNTED = "from marketplace.accounts.models import AuditEvent as E; print(E.objects.count(), E.objects.values('object').distinct().count())"


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """manage(words) runs a command, crowd(what, people) lets many connections act for so many accounts; returns both."""
    home = tmp_path_factory.mktemp("market")
    found, drop = own()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MOORAGE_")} | found
    environment |= {"MOORAGE_HOME": str(home), "MOORAGE_CACHE_URL": "locmem://", "MOORAGE_LOG_LEVEL": "CRITICAL", "MOORAGE_UPLOAD_MB_EACH": "100000", "MOORAGE_UPLOADS_UNFINISHED": "1000"}

    def manage(*words: str) -> str:
        done = subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def crowd(what: str, people: int) -> Counter:
        for old in (*home.glob("ready-*"), *home.glob("go")):
            old.unlink()
        command = [sys.executable, "-m", "tests.marketplace.crowd", what, str(people), str(THREADS), str(EACH)]
        running = [subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
        try:
            until = time.monotonic() + 60
            while len(list(home.glob("ready-*"))) < PROCESSES and time.monotonic() < until and all(process.poll() is None for process in running):
                time.sleep(0.05)
            (home / "go").touch()
            answers = [process.communicate(timeout=120) for process in running]
        finally:
            for process in running:
                process.kill()
        assert [process.returncode for process in running] == [0] * PROCESSES, answers
        return sum((Counter(json.loads(out)) for out, _ in answers), Counter())

    try:
        manage("migrate", "--verbosity", "0")
        manage("shell", "--verbosity", "0", "--command", MADE)
        yield manage, crowd
    finally:
        drop()


def test_the_chain_of_the_audit_log_holds(market):
    """Events of one account and of several, whose rows their transactions hold already: none waits for another in a circle, none is lost, and what was undone leaves no gap."""
    manage, crowd = market
    said = crowd("audit", 1) + crowd("audit", 5)
    assert said == {"done": 2 * ALL * 4 // 5, "undone": 2 * ALL // 5}
    assert f"{said['done']} events" in manage("verify_audit")
    assert manage("shell", "--verbosity", "0", "--command", COUNTED).split() == [str(said["done"])] * 2


def test_nobody_waits_in_a_circle_for_the_end_of_the_chain(market):
    manage, crowd = market
    assert crowd("keys", 3) == {"done": ALL}
    manage("verify_audit")


@pytest.mark.parametrize("what", ["uploads", "offers"])
def test_what_comes_at_once_takes_the_room_that_there_is_and_no_more(market, what):
    """Of the first account's GB seven MB are left, and each brings one."""
    manage, crowd = market
    assert crowd(what, 1) == {"done": 7, "over-quota": ALL - 7}
    manage("shell", "--verbosity", "0", "--command", "from marketplace.catalog.models import Upload; Upload.objects.filter(size=1 << 20).delete()")
