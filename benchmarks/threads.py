"""What a search request costs the web process, with one thread of linear algebra (ours: marketplace/__init__.py sets it) and with one for each core.

The demo's market; each task's requirement is sent to POST /api/v1/matches through the whole stack, in processes of their own that differ in OPENBLAS_NUM_THREADS alone and take turns. Milliseconds
of processor time, all threads together, and of the clock; the median over the requests of all rounds.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks import market
from benchmarks.report import Row, main

TASKS = ("houses-ames", "digits-two-offices", "flights-virgin", "loans-georgia")


def run(arguments: argparse.Namespace) -> list[Row]:
    market.open_market()  # seeded before anything is measured
    rounds, cores = arguments.seeds or (2 if arguments.quick else 5), len(os.sched_getaffinity(0))
    found: dict[int, list[dict[str, Any]]] = {1: [], cores: []}
    for _ in range(rounds):
        for threads in found:
            found[threads] += _asked(threads)
    rows = []
    for name in TASKS:
        for metric in ("processor", "wall"):
            ours, peer = (float(np.median([one[metric] for one in found[threads] if one["task"] == name])) for threads in (1, cores))
            rows.append(Row(f"search, {name}", metric, "ms", ours, peer=peer, note=f"peer: {cores} threads"))
    return rows


def _asked(threads: int) -> list[dict[str, Any]]:
    """[{task, processor, wall}] of requests in a process with so many threads."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.threads", "--child"], env=os.environ | {"OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)},
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _child() -> None:
    os.environ["MOORAGE_ALLOWED_HOSTS"] = "testserver"
    os.environ |= {"MOORAGE_RATE_SEARCHES": "1000000/min", "MOORAGE_MATCH_MB_HOUR": "1000000"}
    market.open_market()
    from django.test import Client

    from marketplace.matching.models import Match

    client, found = Client(), []
    for name in TASKS:
        match = market.matched(name)
        body = json.dumps({"specification": json.loads(_document(match))})
        for turn in range(12):
            processor, wall = time.process_time(), time.perf_counter()
            answer = client.post("/api/v1/matches", body, content_type="application/json")
            took = {"task": name, "processor": 1e3 * (time.process_time() - processor), "wall": 1e3 * (time.perf_counter() - wall)}
            assert answer.status_code == 201, f"{answer.status_code}: {answer.content[:200]!r}"
            if turn >= 2:  # the first ones fill what is kept in memory
                found.append(took)
    Match.objects.all().delete()
    print(json.dumps(found))


def _document(match: Any) -> bytes:
    from marketplace.catalog import artifacts

    return artifacts.read(match.specification_id)


if __name__ == "__main__":
    if sys.argv[1:] == ["--child"]:
        _child()
    else:
        main("threads", run, doc=__doc__, packages=("numpy", "scipy", "django"))
