"""Backups taken while a market works, restored: every one is a whole market.

    python -m tests.soak.restore --times 10 [--services redis]

While jobs are asked for and done, and offers and trials come, `manage.py backup` is run; each backup is restored into a home and database of its own, where every row is held against its bytes, the database
against itself, each index against its table, and no job that was done is without its result. Exits 1 on a miss.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests import services
from tests.journeys.site import ROOT
from tests.soak.market import Market, light_market

LOOK = """
import json, django; django.setup()
from django.core.management import call_command
call_command("restore", folder)
from marketplace.operations import backing, doctor
from marketplace.jobs.models import ReuseJob, JobMember
from marketplace.accounts.models import Notification
found = backing.verify()
jobs = list(ReuseJob.objects.all())
done = [job for job in jobs if job.status == "done"]
told = Notification.objects.filter(kind="job-done").count()
index = next(one for one in doctor.examine() if one.what == "index")
print(json.dumps({"artifacts": found["artifacts"], "missing": len(found["missing"]), "damaged": len(found["damaged"]), "database": found["database"], "jobs": len(jobs), "done": len(done),
    "without_result": sum(job.result_id is None for job in done), "without_members": sum(not job.members.exists() for job in jobs), "told": told, "index": index.state}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--services", choices=("none", "redis"), default="none")
    asked = parser.parse_args()
    with light_market(asked.services, concurrency=2) as market, tempfile.TemporaryDirectory(prefix="soak-backups-") as folder:
        over = threading.Event()
        busy = threading.Thread(target=_work, args=(market, over), daemon=True)
        busy.start()
        rounds = []
        for number in range(asked.times):
            time.sleep(2)
            backup = Path(folder) / str(number)
            began = time.monotonic()
            market.site.manage("backup", str(backup))
            rounds.append(_restored(backup, Path(folder) / f"home-{number}") | {"backup_s": round(time.monotonic() - began, 1)})
            print(rounds[-1], file=sys.stderr, flush=True)
        over.set()
        busy.join(30)
    good = sum(_is_whole(one) for one in rounds)
    print(json.dumps({"times": asked.times, "whole": good, "services": asked.services, "jobs_in_the_last": rounds[-1]["jobs"], "rounds": rounds}))
    return 0 if good == asked.times else 1


def _work(market: Market, over: threading.Event) -> None:
    while not over.is_set():
        market.ask()
        time.sleep(0.15)


def _restored(backup: Path, home: Path) -> dict:
    own, forget = services.own()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MOORAGE_", "DJANGO_"))} | own | {
        "MOORAGE_HOME": str(home), "MOORAGE_LOG_LEVEL": "CRITICAL", "DJANGO_SETTINGS_MODULE": "marketplace.settings"}
    try:
        done = subprocess.run([sys.executable, "-c", f"folder = {str(backup)!r}\n{LOOK}"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])
    finally:
        forget()


def _is_whole(one: dict) -> bool:
    return (one["missing"], one["damaged"], one["database"], one["without_result"], one["without_members"], one["index"]) == (0, 0, "ok", 0, 0, "ok") and one["told"] == one["done"]


if __name__ == "__main__":
    sys.exit(main())
