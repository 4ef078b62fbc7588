"""Index snapshots under kills and corruption, freshness in several processes, and what must not be shown.

    python -m tests.soak.index --kills 50 --corrupted 300 --searches 2000

Kills: a process that writes snapshots is killed at random moments; what opens afterwards answers as an exact rebuild does. Corruption: one to eight bytes of a snapshot's file are changed, or
it is cut. Freshness: a version appears and is withdrawn while four processes search; each must see it within 2 s. Churn: versions become private and are withdrawn while others search: a hidden one is
returned 0 times. Exits 1 on a miss.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.soak.market_rows import rows_market

LEARNWARES = 120
# A writer is forked from a process that has all of this imported: it is killed within its work, not within its imports.
READY = ["marketplace.wsgi", "marketplace.matching.index", "marketplace.catalog.services", "tests.marketplace.rows", "faiss"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--corrupted", type=int, default=100)
    parser.add_argument("--searches", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with rows_market() as home:
        _fill()
        found = _kills(home, asked.kills, random.Random(asked.seed)) | _corrupted(home, asked.corrupted, random.Random(asked.seed)) | _fresh(asked.changes) | _churn(asked.searches, random.Random(asked.seed))
    good = found["wrong_after_kills"] == found["wrong_after_corruption"] == found["hidden_shown"] == 0 and found["slowest_to_see_s"] <= 2
    print(json.dumps(found | {"good": good}))
    return 0 if good else 1


def _fill() -> None:
    from marketplace.accounts.models import User
    from tests.marketplace.rows import homes, offered, table

    alice, space, rng = User.objects.create_user("alice"), homes(), np.random.default_rng(0)
    User.objects.create_user("bob")
    for number in range(LEARNWARES):
        offered(alice, f"at-{number}", space, table(rng, number / 10, n=120), model=b"%d" % number)


def _asked(number: int = 0) -> Any:
    import specs
    from tests.marketplace.rows import homes, requirement, table

    return specs.Specification.from_bytes(requirement(homes(), table(np.random.default_rng(100 + number), number % 12))).rkme


def _answers() -> list[Any]:
    from marketplace.matching import index
    from tests.marketplace.rows import homes

    return [[(str(hit.version_id), round(hit.value, 9)) for hit in index.singles(homes().id, _asked(number), top=10)] for number in range(4)]


def _space() -> str:
    from tests.marketplace.rows import homes

    return homes().id


def _exact() -> list[Any]:
    """The answers of an index that is built from the table alone."""
    from marketplace.matching import index
    from marketplace.matching.models import IndexSnapshot

    held = list(IndexSnapshot.objects.all())
    IndexSnapshot.objects.all().delete()
    index.forget()
    answers = _answers()
    IndexSnapshot.objects.bulk_create(held)
    index.forget()
    return answers


def _processes() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(READY)
    return context


def _write_for_ever() -> None:
    from marketplace.matching import index

    while True:
        index.snapshot(_space())


def _kills(home: Path, kills: int, chance: random.Random) -> dict[str, Any]:
    from marketplace.matching import index
    from marketplace.matching.models import IndexSnapshot

    wanted, wrong, context = _exact(), 0, _processes()
    opened = 0
    for _ in range(kills):
        writer = context.Process(target=_write_for_ever)
        generation = max(IndexSnapshot.objects.values_list("generation", flat=True), default=0)
        writer.start()
        until = time.monotonic() + 60
        while time.monotonic() < until and max(IndexSnapshot.objects.values_list("generation", flat=True), default=0) <= generation + 1:
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 0.3))
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        index.forget()
        wrong += _answers() != wanted
        opened += index._spaces[_space()].generation > 0
    drafts = len(list((home / "index").rglob("*.draft")))
    return {"kills": kills, "opened_from_snapshot": opened, "wrong_after_kills": wrong, "drafts_left": drafts}


def _corrupted(home: Path, many: int, chance: random.Random) -> dict[str, Any]:
    from marketplace.matching import index

    wanted = _exact()
    row = index.snapshot(_space())
    folder = next(path for path in (home / "index").rglob(f"{row.generation}") if path.is_dir())
    whole, wrong, refused = home / "whole", 0, 0
    shutil.copytree(folder, whole)
    for _ in range(many):
        path = folder / chance.choice(sorted(path.name for path in whole.iterdir()))
        content = bytearray(path.read_bytes())
        if chance.random() < 0.2 or not content:
            content = content[: chance.randrange(len(content))] if content else bytearray(b"x")
        else:
            for _ in range(chance.randint(1, 8)):
                content[chance.randrange(len(content))] ^= chance.randint(1, 255)
        path.write_bytes(content)
        index.forget()
        wrong += _answers() != wanted
        refused += index._spaces[_space()].generation == 0
        shutil.copy(whole / path.name, path)
    index.forget()
    return {"corrupted": many, "refused": refused, "wrong_after_corruption": wrong}


def _watch(asked: Any, seen: Any, over: Any) -> None:
    from marketplace.matching import index

    held: set[str] = set()
    while not over.is_set():
        found = {str(hit.version_id) for hit in index.singles(_space(), _asked(), top=200)}
        for version in found ^ held:
            seen.put((version, version in found, time.time()))
        held = found
        time.sleep(0.1)


def _fresh(changes: int) -> dict[str, Any]:
    from marketplace.accounts.models import User
    from marketplace.catalog import services
    from tests.marketplace.rows import homes, offered, table

    context = _processes()
    seen, over = context.Queue(), context.Event()
    watchers = [context.Process(target=_watch, args=(None, seen, over)) for _ in range(4)]
    [watcher.start() for watcher in watchers]
    alice, space, rng, slowest, missed = User.objects.get(username="alice"), homes(), np.random.default_rng(9), 0.0, 0
    first = [seen.get(timeout=240) for _ in range(4 * LEARNWARES)]
    assert all(shown for _, shown, _ in first)
    for number in range(changes):
        version = offered(alice, f"new-{number}", space, table(rng, 0.2, n=120), model=b"new %d" % number)
        for shown in (True, False):
            began = time.time()
            if not shown:
                services.withdraw(version, alice)
                began = time.time()
            waiting = 4
            while waiting:
                try:
                    which, is_shown, at = seen.get(timeout=10)
                except Exception:
                    missed += waiting
                    break
                if (which, is_shown) == (str(version.pk), shown):
                    slowest, waiting = max(slowest, at - began), waiting - 1
    over.set()
    [watcher.join(20) for watcher in watchers]
    return {"changes": 2 * changes, "processes": 4, "slowest_to_see_s": round(slowest if not missed else 99, 2)}


def _churn(searches: int, chance: random.Random) -> dict[str, Any]:
    """Between the change of a row and the log's word of it too: the database is asked of every hit."""
    from marketplace.accounts.models import User
    from marketplace.catalog.models import Learnware, Version
    from marketplace.matching import services
    from tests.marketplace.rows import homes, requirement, table

    bob, document = User.objects.get(username="bob"), requirement(homes(), table(np.random.default_rng(5), 2.0))
    names, shown = list(Learnware.objects.values_list("pk", flat=True)), 0
    references = {version.pk: version.reference for version in Version.objects.whole()}
    for number in range(searches):
        some = chance.sample(names, 3)
        if number % 2:
            Learnware.objects.filter(pk__in=some).update(visibility=chance.choice(["public", "private"]))
        else:
            Version.objects.filter(learnware__in=some).update(status=chance.choice(["usable", "withdrawn"]))
        text = json.dumps(services.match(user=bob, specification=document, filters={}).result)
        hidden = set(Version.objects.filter(learnware__visibility="private").values_list("id", flat=True)) | set(Version.objects.exclude(status="usable").values_list("id", flat=True))
        shown += sum(f'"{references[version]}"' in text for version in hidden)
    return {"searches": searches, "hidden_shown": shown}


if __name__ == "__main__":
    sys.exit(main())
