"""Many jobs, many `kill -9`: none is lost, none has two effects.

    python -m tests.soak.kills --jobs 60 --kills 20

Kills the worker's main process or one of its pool's children at random moments while jobs run,
starts it again, and counts at the end. Exits 1 when a job was lost, doubled or poisoned without reason.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.journeys import models
from tests.journeys.site import Site


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        site = Site(Path(folder), MOORAGE_JOBS_PER_USER=str(asked.jobs + 1), MOORAGE_JOB_MAX_ATTEMPTS="20")
        site.prepare("alice", "bob")
        try:
            site.start_web()
            site.start_worker(concurrency=2)
            found = soak(site, asked.jobs, asked.kills, random.Random(asked.seed))
        finally:
            site.stop()
    print(json.dumps(found))
    return 0 if found["done"] == found["jobs"] and found["doubled"] == 0 and found["scratch_left"] == 0 else 1


def soak(site: Site, jobs: int, kills: int, chance: random.Random) -> dict:
    alice, bob = (site.client(site.token(name, ["read", "upload", "run"])) for name in ("alice", "bob"))
    references = [_offer(site, alice, low) for low in (0.0, 0.25, 0.5)]
    data = models.everything().iloc[:100].to_csv(index=False).encode()
    members = json.dumps([{"reference": reference} for reference in references])
    asked = [
        bob.post("jobs", data={"members": members, "method": "auto"}, files={"data": ("d.csv", data, "text/csv")}).json()["id"]
        for _ in range(jobs)
    ]
    done_kills, until = 0, time.monotonic() + 60 + 20 * jobs
    rows: dict[str, dict] = {}
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.5, 6.0))
        if done_kills < kills:
            _kill(site, chance)
            done_kills += 1
        rows = {job: bob.get(f"jobs/{job}").json() for job in asked if rows.get(job, {}).get("status") != "done"} | {
            job: row for job, row in rows.items() if row["status"] == "done"
        }
        states = Counter(row["status"] for row in rows.values())
        print(f"{done_kills} kills, {dict(states)}", file=sys.stderr, flush=True)
        if done_kills >= kills and states["queued"] + states["running"] == 0:
            break
    reasons = Counter(entry["reason"] for row in rows.values() for entry in row["attempt_log"])
    return {
        "jobs": jobs,
        "kills": done_kills,
        "done": sum(row["status"] == "done" for row in rows.values()),
        "attempts": dict(Counter(row["attempts"] for row in rows.values())),
        "reasons": dict(reasons),
        "doubled": max(0, reasons["done"] - jobs),
        "scratch_left": len(list((site.home / "scratch").glob("*"))),
    }


def _kill(site: Site, chance: random.Random) -> None:
    children = _children(site.worker_pid)
    if children and chance.random() < 0.5:
        os.kill(chance.choice(children), signal.SIGKILL)
        return
    site.kill_worker()
    time.sleep(chance.uniform(0, 2))
    site.start_worker(concurrency=2)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _offer(site: Site, alice, low: float) -> str:
    files = models.write(site.home, f"part-{int(100 * low)}", models.part(low, low + 0.5), "safetensors")
    answer = alice.post(
        "learnwares",
        files={
            "manifest": ("learnware.json", files["manifest"]),
            "model": (files["model"].name, files["model"].read_bytes()),
            "specification": ("specification.json", files["specification"]),
        },
    ).json()
    path = f"learnwares/{answer['owner']}/{answer['name']}/{answer['version']}"
    while (version := alice.get(path).json())["status"] == "checking":
        time.sleep(0.2)
    assert version["status"] == "usable", version["status_reason"]
    return version["reference"]


if __name__ == "__main__":
    sys.exit(main())
