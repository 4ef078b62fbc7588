"""A worker whose jobs wait .4 s in place of computing, so that hundreds of kills fit into minutes: `celery -A tests.soak.light worker`.

Only two things stand in: the engine of reuse (it waits, reports, and leaves a folder with a file) and the sandbox (it finds every model good). Claims, leases,
fetching from the store, scratch folders, storing, finishing, reaping: all that is the product's own.
"""

import os
import signal
import sys
import time
import types
from pathlib import Path
from typing import Any

import reuse.sandbox
from reuse.plan import Labelled, Member, Outcome, Plan
from reuse.sandbox import probe

WORK_S = 0.4


class Trusting:
    """In place of the sandbox."""

    def check(self, path: Path, manifest: dict, specification: Path) -> dict[str, Any]:
        time.sleep(WORK_S)
        return {"points": 1, "tensors": []}

    def warm(self) -> None:
        pass


def run(plan: Plan, *, progress: Any, cancelled: Any, workdir: Path, **_: Any) -> Outcome:
    """In place of the engine: half the work, a word of progress, the other half."""
    folder = workdir / "predictor"
    folder.mkdir(parents=True)
    for share in (0.5, 0.9):
        time.sleep(WORK_S / 2)
        progress("waiting", share, "")
        if plan.method == "vote":  # the poison of tests/soak/broker.py
            os.kill(os.getpid(), signal.SIGKILL)
    (folder / "what.txt").write_text("\n".join(member.reference for member in plan.members))
    return Outcome(folder)


engine = types.ModuleType("reuse.engine")
engine.Labelled, engine.Member, engine.Outcome, engine.Plan, engine.run = Labelled, Member, Outcome, Plan, run
sys.modules["reuse.engine"] = engine
reuse.sandbox.shared = Trusting
probe.level = lambda: probe.Level("l1", "")  # not tried anew by each child that takes a killed one's place

from marketplace.celery import app  # noqa: E402, F401 - what Celery looks for, once all stands in
