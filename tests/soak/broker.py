"""A broker that loses everything, a broker that is away, and a job that kills whoever takes it.

    python -m tests.soak.broker wiped --jobs 500            all doorbells are thrown away while the jobs wait: every job is done
    python -m tests.soak.broker down --seconds 60           the broker does not answer: jobs are accepted (or 503), none is lost
    python -m tests.soak.broker poison                      a job that kills its worker is tried three times and fails with its reason; the queue flows on

`--services none|redis|rabbitmq`. Redis is one of our own here (redis-server on a free port), so that nobody else's is wiped or stopped; RabbitMQ's queue is deleted. Exits 1 on a miss.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.journeys.site import _free_port
from tests.services import runs
from tests.soak.market import SERVICES, Market, again, light_market, unsettled


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("wiped", "down", "poison"))
    parser.add_argument("--services", choices=SERVICES, default="none")
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=30)
    asked = parser.parse_args()
    if asked.what == "down" and asked.services == "rabbitmq":
        parser.error("RabbitMQ is not stopped: others of this machine may use it.")
    with _broker(asked.services) as broker, light_market(asked.services, MOORAGE_LOG_LEVEL="ERROR") as market:
        found = {"wiped": wiped, "down": down, "poison": poison}[asked.what](market, broker, asked)
    print(json.dumps({"what": asked.what, "services": asked.services} | found))
    return 0 if found["good"] else 1


def wiped(market: Market, broker: "Broker", asked: argparse.Namespace) -> dict:
    market.site.kill_worker()
    ids = [market.ask().json()["id"] for _ in range(asked.jobs)]
    broker.wipe(market)
    market.site.start_worker(concurrency=4)
    left, seconds = unsettled(market, 120 + 2 * asked.jobs)
    return _counted(ids) | {"unfinished": left, "seconds": round(seconds), "good": left == 0 and _counted(ids)["done"] == len(ids)}


def down(market: Market, broker: "Broker", asked: argparse.Namespace) -> dict:
    broker.stop(market)
    answers, ids, slowest, until = Counter(), [], 0.0, time.monotonic() + asked.seconds
    while time.monotonic() < until:
        began = time.monotonic()
        answer = market.ask()
        slowest = max(slowest, time.monotonic() - began)
        answers[answer.status_code] += 1
        ids += [answer.json()["id"]] if answer.status_code == 202 else []
        time.sleep(1)
    broker.start(market)
    left, seconds = unsettled(market, 240)
    good = left == 0 and set(answers) <= {202, 503} and _counted(ids)["done"] == len(ids)
    return _counted(ids) | {"answers": dict(answers), "slowest_answer_s": round(slowest, 1), "unfinished": left, "seconds_after": round(seconds), "good": good}


def poison(market: Market, broker: "Broker", asked: argparse.Namespace) -> dict:
    from marketplace.jobs.models import ReuseJob

    bad = market.ask("ensemble/vote").json()["id"]  # tests/soak/light.py: this method kills its process
    ids = [market.ask().json()["id"] for _ in range(20)]
    left, seconds = unsettled(market)
    job = again(lambda: ReuseJob.objects.get(pk=bad))
    good = left == 0 and (job.status, job.attempts, (job.error or {}).get("code")) == ("failed", 3, "poison") and _counted(ids)["done"] == len(ids)
    return _counted(ids) | {"poison": {"status": job.status, "attempts": job.attempts, "error": job.error, "reasons": [entry["reason"] for entry in job.attempt_log]}, "unfinished": left,
                            "seconds": round(seconds), "good": good}


def _counted(ids: list[str]) -> dict:
    from marketplace.jobs.models import ReuseJob

    states = Counter(again(lambda: list(ReuseJob.objects.filter(pk__in=ids).values_list("status", flat=True))))
    return {"jobs": len(ids), "done": states["done"], "lost": len(ids) - sum(states.values()), "failed": states["failed"]}


class Broker:
    """What can be done to the broker of a market."""

    def wipe(self, market: Market) -> None:
        """Files: the messages are deleted. RabbitMQ: the queue is."""
        if not market.site.env.get("MOORAGE_BROKER_URL"):
            for path in (market.site.home / "queue").iterdir():
                path.unlink(missing_ok=True)
            return
        from kombu import Connection

        with Connection(market.site.env["MOORAGE_BROKER_URL"]) as link:
            link.default_channel.queue_delete(market.site.env["MOORAGE_QUEUE"])

    def stop(self, market: Market) -> None:
        """Files: the folder is no folder any more."""
        queue = market.site.home / "queue"
        shutil.rmtree(queue)
        queue.write_text("no folder")

    def start(self, market: Market) -> None:
        queue = market.site.home / "queue"
        queue.unlink()
        queue.mkdir()


class OwnRedis(Broker):
    def __init__(self) -> None:
        self.port = _free_port()
        self._run()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def _run(self) -> None:
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp"], stdout=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while not runs(self.url) and time.monotonic() < until:
            time.sleep(0.1)

    def wipe(self, market: Market) -> None:
        import redis

        with redis.Redis(port=urlsplit(self.url).port) as link:
            link.flushall()

    def stop(self, market: Market | None = None) -> None:
        self.process.terminate()
        self.process.wait(20)

    def start(self, market: Market) -> None:
        self._run()


@contextmanager
def _broker(kind: str) -> Iterator[Broker]:
    if kind != "redis":
        yield Broker()
        return
    own = OwnRedis()
    SERVICES["redis"] = SERVICES["redis"] | {"MOORAGE_BROKER_URL": own.url}
    os.environ["MOORAGE_BROKER_URL"] = own.url
    try:
        yield own
    finally:
        own.stop()


if __name__ == "__main__":
    sys.exit(main())
