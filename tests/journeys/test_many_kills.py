"""Twenty kills of workers, their children and the web while jobs run: none is lost, none has two effects. Hundreds: `python -m tests.soak.kills`."""

import json
import os
import subprocess
import sys

from tests.journeys.site import ROOT


def test_twenty_kills_lose_nothing_and_double_nothing():
    command = [sys.executable, "-m", "tests.soak.kills", "--kills", "20", "--minutes", "1"]
    done = subprocess.run(command, cwd=ROOT, env={name: value for name, value in os.environ.items() if not name.startswith(("MOORAGE_", "DJANGO_"))}, capture_output=True, text=True, timeout=280)
    assert done.stdout, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    # How quickly is for a machine with nothing else to do.
    assert found["lost"] == found["unfinished"] == found["failed"] == found["doubled"] == found["scratch_left"] == 0, (found, done.stderr[-3000:])
    assert found["kills"] > 5 and found["jobs"] == found["done"] > 10
