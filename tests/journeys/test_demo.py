"""The main job on the real demo catalog, start to end, as `python3 run.py demo` does it."""

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.journeys.site import ROOT


@pytest.fixture(scope="module")
def manage(tmp_path_factory):
    home = tmp_path_factory.mktemp("demo")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MOORAGE_", "DJANGO_"))}

    def run(*words):
        done = subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, env=kept | {"MOORAGE_HOME": str(home)}, capture_output=True, text=True, timeout=290)
        assert done.returncode == 0, done.stderr[-4000:]
        return done

    run.home = home
    return run


@pytest.fixture(scope="module")
def report(manage):
    return json.loads(manage("demo", "--json", "--tasks", "diamonds-estate,digits-faded").stdout)


def test_it_describes_matches_reuses_and_measures(report):
    for task in report["tasks"]:
        rows = {row["what"]: row for row in task["rows"]}
        assert set(rows) == {"best single", "mixture", "auto", "from scratch"}
        assert task["rows_unused"] > 400 and task["labels"] == 50 and 0.5 < task["coverage"] <= 1
        assert abs(sum(member["weight"] for member in task["mixture"]) - 1) < 1e-2 and len(task["mixture"]) > 1
        assert all(row["low"] <= row["score"] <= row["high"] for row in rows.values())
        assert rows["auto"]["models"] >= 1 and rows["mixture"]["labels"] == 0 and rows["from scratch"]["models"] == 0


def test_reuse_beats_the_best_single_and_training_from_scratch(report):
    for task in report["tasks"]:
        better = (lambda a, b: a > b) if task["higher_is_better"] else (lambda a, b: a < b)
        score = {row["what"]: row["score"] for row in task["rows"]}
        assert better(score["mixture"], score["best single"]) and better(score["auto"], score["from scratch"]), task["task"]


def test_the_catalog_is_real_and_seeded_once(report, manage):
    assert "Nothing was missing" in manage("seed_demo").stderr
    said = manage("shell", "-v", "0", "-c", "from marketplace.catalog.models import Version as V; import json; rows = V.objects.latest();"
                  "print(json.dumps({'n': rows.count(), 'owners': rows.values('learnware__owner').distinct().count(), 'based': rows.exclude(base=None).count(),"
                  "'formats': sorted(set(rows.values_list('format', flat=True))), 'refused': V.objects.filter(status='refused').count()}))").stdout
    found = json.loads(said.strip().splitlines()[-1])
    assert found["n"] >= 40 and found["owners"] >= 4 and found["based"] >= 4 and found["refused"] == 0
    assert found["formats"] == ["onnx", "safetensors", "skops"]


def test_passwords_are_random_and_their_file_is_private(report, manage):
    path = manage.home / "credentials.json"
    people = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and len({person["password"] for person in people.values()}) == len(people)


def test_nothing_runs_on_after_the_demo(report, manage):
    time.sleep(1)
    assert running_in(manage.home) == []


def running_in(home) -> list[str]:
    """Command lines of processes whose market lives in this home."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"MOORAGE_HOME={home}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found
