"""The corpus of hostile offers against a real site, several times over: every outcome as expected, nothing run, nothing left.

    python -m tests.soak.hostile --runs 3

Each run has a site of its own (web and worker in processes). Prints one JSON object for each run and exits 1 on any surprise: another outcome
than the corpus says, an answer of 5xx, a payload that ran, a row, stored file, upload or scratch folder too many, an offer that took over 30 s.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2

from tests.journeys.site import Site
from tests.soak import corpus

PARALLEL_WAIT_S = 30.0
COUNT = (
    "from marketplace.catalog.models import *; from marketplace.jobs.models import ReuseJob;"
    "print([Version.objects.filter(status='usable').count(), Version.objects.filter(status='refused').count(), Version.objects.filter(status='checking').count(), ReuseJob.objects.count(), Upload.objects.count(),"
    "Artifact.objects.exclude(pk__in=Version.objects.values('model_id')).exclude(pk__in=Version.objects.values('specification_id')).count()])"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--every", type=int, default=1, help="take each n-th case only")
    asked = parser.parse_args()
    good = True
    for number in range(asked.runs):
        with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
            found = run(Path(folder), asked.every)
        print(json.dumps({"run": number + 1} | found), flush=True)
        good &= not any(found[key] for key in ("surprises", "5xx", "payloads_run", "left", "slow"))
    return 0 if good else 1


def run(folder: Path, every: int) -> dict[str, Any]:
    """One site, every case once; returns what was found."""
    marker, home = folder / "marker", folder / "home"
    home.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = corpus.build(marker)[::every]
    site = Site(home)
    site.prepare("alice", "bob")
    try:
        site.start_web()
        site.start_worker()
        client = site.client(site.token("alice", ["read", "upload", "run"]))
        warm(client)
        outcomes = [offered(client, case) for case in cases]
        counted = json.loads(site.manage("shell", "-v0", "-c", COUNT))
        left = strays(site, counted, outcomes)
    finally:
        site.stop()
    surprises = [f"{case.name}: expected {case.where} {sorted(case.codes)}, got {o['where']} {o['code']}" for case, o in zip(cases, outcomes, strict=True) if not as_expected(case, o)]
    seconds = sorted(o["seconds"] for o in outcomes)
    return {
        "cases": len(cases), "as_expected": len(cases) - len(surprises), "surprises": surprises[:20], "accepted": sum(o["where"] == "usable" for o in outcomes), "categories": dict(Counter(case.category for case in cases)),
        "payloads_run": int(marker.exists()), "5xx": sum(o["status"] >= 500 for o in outcomes), "left": left, "slow": sum(s > 30 for s in seconds), "p50_s": round(statistics.median(seconds), 3),
        "p95_s": round(seconds[int(0.95 * (len(seconds) - 1))], 3), "max_s": round(seconds[-1], 3), "load": round(os.getloadavg()[0], 1),
    }


def warm(client: httpx2.Client) -> None:
    """One good offer first, so that the worker's sandbox stands."""
    model, kind = corpus._plain()
    case = corpus.offer("warm", "warm", model, kind, takes="coordinates", architecture=corpus.LINEAR, slug="warm")
    assert offered(client, case, 180.0)["where"] == "usable"


def offered(client: httpx2.Client, case: corpus.Case, patience_s: float = PARALLEL_WAIT_S + 5) -> dict[str, Any]:
    """Offer one case and wait for its verdict: {where, code, status, seconds}."""
    began = time.monotonic()
    parts = {"manifest": ("learnware.json", case.manifest, "application/json"), "model": (case.filename, case.model, "application/octet-stream"), "specification": ("specification.json", case.specification, "application/json")}
    answer = client.post("learnwares", files=parts)
    if answer.status_code != 202:
        said = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
        whole = {"code", "message", "hint", "request_id"} <= said.keys()
        return {"where": "door", "code": said.get("code", "") if whole else "no-form", "status": answer.status_code, "seconds": time.monotonic() - began}
    version = answer.json()
    path = f"learnwares/{version['owner']}/{version['name']}/{version['version']}"
    while (found := client.get(path).json())["status"] == "checking" and time.monotonic() < began + patience_s:
        time.sleep(0.03)
    where = {"usable": "usable", "refused": "check"}.get(found["status"], found["status"])
    return {"where": where, "code": (found.get("status_reason") or {}).get("code", ""), "status": 202, "seconds": time.monotonic() - began}


def as_expected(case: corpus.Case, outcome: dict[str, Any]) -> bool:
    if case.where == "usable":
        return outcome["where"] == "usable"
    if case.category == "truncations":
        return outcome["where"] in ("door", "check") and bool(outcome["code"])
    return outcome["where"] == ("check" if case.where == "run" else case.where) and ("*" in case.codes or outcome["code"] in case.codes)


def strays(site: Site, counted: list[int], outcomes: list[dict[str, Any]]) -> list[str]:
    """What is there that should not be: rows beyond the offers that were taken, files that no row knows, folders of work that is over."""
    usable, refused, checking, jobs, uploads, unreferenced = counted
    found = []
    if (usable, refused) != (sum(o["where"] == "usable" for o in outcomes) + 1, sum(o["where"] == "check" for o in outcomes)):
        found.append(f"{usable} usable and {refused} refused rows")
    for what, number in (("checking", checking), ("jobs", jobs), ("uploads", uploads), ("artifacts without a version", unreferenced)):
        if number:
            found.append(f"{number} {what}")
    found += [str(path) for part in ("uploads", "scratch") for path in (site.home / part).glob("*")]
    found += [str(path) for path in Path(tempfile.gettempdir()).glob("moorage-check-*") if path.stat().st_mtime > site.home.stat().st_ctime]
    return found[:20]


if __name__ == "__main__":
    sys.exit(main())
