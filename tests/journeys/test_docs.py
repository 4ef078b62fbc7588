"""Every code block of the documentation is run, page by page in reading order, against a market: only the address and the token are ours."""

import json
import os
import re
import subprocess
import sys

import pytest

from marketplace.handbook import reading
from tests.journeys.site import ROOT

FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHOWN = ("text", "http")  # what is typed on a server, or what comes back: nothing that a reader's machine runs
ADDRESS, TOKEN = "http://127.0.0.1:8000", "moor_…"


def blocks(name: str) -> list[tuple[str, str]]:
    return FENCE.findall((reading.FOLDER / f"{name}.md").read_text())


PAGES = [name for name in reading.names() if any(kind not in SHOWN for kind, _ in blocks(name))]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """One folder for all pages, with a `moorage` on the path."""
    desk = tmp_path_factory.mktemp("reader")
    (desk / "bin").mkdir()
    command = desk / "bin" / "moorage"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m moorage "$@"\n')
    command.chmod(0o755)
    return desk


@pytest.fixture(scope="module")
def token(site):
    return site.token("alice", ["read", "upload", "run"])


@pytest.mark.parametrize("name", PAGES)
def test_the_blocks_of_a_page_run(name, site, desk, token, monkeypatch):
    monkeypatch.chdir(desk)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MOORAGE_", "DJANGO_"))} | {
        "PATH": f"{desk / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(desk), "MOORAGE_URL": site.url, "MOORAGE_TOKEN": token, "OMP_NUM_THREADS": "1",
    }
    found: dict = {"__name__": "docs"}
    for kind, text in blocks(name):
        text = text.replace(ADDRESS, site.url).replace(TOKEN, token)
        if kind == "python":
            exec(compile(text, f"docs/{name}.md", "exec"), found)  # our own file
        elif kind == "sh":
            ran = subprocess.run(["sh", "-eu", "-c", text], env=environment, capture_output=True, text=True, timeout=240)
            assert ran.returncode == 0, f"{text}\n{ran.stdout[-2000:]}{ran.stderr[-4000:]}"
        elif kind == "json":
            json.loads(text)
        else:
            assert kind in SHOWN, f"docs/{name}.md has a block of a kind that nobody runs: {kind!r}"
