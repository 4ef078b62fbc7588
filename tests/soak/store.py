"""The store and the database under `kill -9`, and stored bytes that change.

    python -m tests.soak.store kills --kills 300       a process that puts is killed at random moments: every file under its final name is whole
    python -m tests.soak.store flips --files 100       one bit of each stored file is flipped: every one is found, none is served
    python -m tests.soak.store full                    a file system of 8 MB that fills up (as root on Linux): what is refused leaves nothing
    python -m tests.soak.store rows --writers 8 --each 2000     read, then write, in one transaction on SQLite: no locked error; then kills, and integrity_check
"""

import argparse
import errno
import hashlib
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from storage import ArtifactDamaged
from storage.local import LocalStore

ROOT = Path(__file__).resolve().parents[2]
PUT = "import os, sys, random; from storage.local import LocalStore\ns = LocalStore(sys.argv[1])\nprint('go', flush=True)\nwhile True: s.put(os.urandom(random.randrange(1_000, 2_000_000)))"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("kills", "flips", "full", "rows"))
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--each", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        found = globals()[asked.what](Path(folder), asked, random.Random(asked.seed))
    print(json.dumps({"what": asked.what} | found))
    return 0 if found["good"] else 1


def kills(folder: Path, asked: argparse.Namespace, chance: random.Random) -> dict:
    drafts = 0
    for _ in range(asked.kills):
        process = subprocess.Popen([sys.executable, "-S", "-c", PUT, str(folder)], cwd=ROOT, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        drafts += len(list((folder / "unfinished").iterdir()))
        for draft in (folder / "unfinished").iterdir():
            os.utime(draft, (0, 0))
        LocalStore(folder).sweep()
    files = list(folder.glob("??/??/*"))
    wrong = [path.name for path in files if hashlib.sha256(path.read_bytes()).hexdigest() != path.name]
    left = len(list((folder / "unfinished").iterdir()))
    return {"kills": asked.kills, "files": len(files), "wrong": len(wrong), "drafts_swept": drafts, "drafts_left": left, "good": bool(files) and not wrong and not left}


def flips(folder: Path, asked: argparse.Namespace, chance: random.Random) -> dict:
    """Through the web's own door: an answer with the bytes would be a miss."""
    from tests.soak.market import light_market

    with light_market("none") as market:
        from marketplace.catalog import artifacts
        from marketplace.catalog.models import Version

        first = Version.objects.select_related("learnware__owner").first()
        address = f"learnwares/{first.learnware.owner.username}/{first.learnware.name}/{first.number}/files/{first.manifest['model']['file']}"
        store, served, found, told = artifacts.store(), 0, 0, 0
        for _ in range(asked.files):
            kept = store.put(chance.randbytes(chance.randrange(1, 300_000)))
            Version.objects.filter(pk=first.pk).update(model=artifacts.row(kept))
            path = store.folder / kept.sha256[:2] / kept.sha256[2:4] / kept.sha256
            content = bytearray(path.read_bytes())
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            path.chmod(0o600)
            path.write_bytes(content)
            try:
                store.open(kept.sha256).close()
            except ArtifactDamaged:
                found += 1
            answer = market.bob.get(address, headers={"Range": "bytes=0-9"} if chance.random() < 0.3 else {})
            served += answer.status_code in (200, 206)
            told += answer.status_code == 503 and answer.json()["code"] == "artifact-damaged"
    return {"files": asked.files, "found": found, "answered_503": told, "served": served, "good": found == told == asked.files and not served}


def full(folder: Path, asked: argparse.Namespace, chance: random.Random) -> dict:
    place = folder / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], check=True)
    try:
        store, kept, refused, other = LocalStore(place), [], 0, 0
        for _ in range(60):
            content = chance.randbytes(chance.randrange(100_000, 1_500_000))
            try:
                kept.append((store.put(content).sha256, hashlib.sha256(content).hexdigest()))
            except OSError as error:
                refused, other = refused + (error.errno == errno.ENOSPC), other + (error.errno != errno.ENOSPC)
        for sha256, wanted in kept:
            assert sha256 == wanted
            store.open(sha256).close()
        drafts, files = len(list((place / "unfinished").iterdir())), len(list(place.glob("??/??/*")))
    finally:
        subprocess.run(["umount", str(place)], check=True)
    return {"kept": len(kept), "refused": refused, "other_errors": other, "drafts_left": drafts, "good": bool(refused) and not other and not drafts and files == len(kept)}


def rows(folder: Path, asked: argparse.Namespace, chance: random.Random) -> dict:
    """The project's own settings of SQLite, through Django."""
    os.environ |= {"MOORAGE_HOME": str(folder), "DJANGO_SETTINGS_MODULE": "marketplace.settings"}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, check=True)
    start = multiprocessing.get_context("spawn")
    with start.Pool(asked.writers) as pool:
        began = time.monotonic()
        told = pool.starmap(_write, [(number, asked.each) for number in range(asked.writers)])
        seconds = time.monotonic() - began
    times = sorted(took for _, some in told for took in some)
    locked = sum(wrong for wrong, _ in told)
    for _ in range(min(asked.kills, 200)):
        writer = start.Process(target=_write, args=(99, 10_000))
        writer.start()
        time.sleep(chance.uniform(0.6, 1.6))
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
    with sqlite3.connect(folder / "db.sqlite3") as database:
        whole = database.execute("PRAGMA integrity_check").fetchone()[0]
        counted = database.execute("SELECT likes_count FROM catalog_learnware").fetchone()[0]
    p95 = 1000 * times[int(0.95 * len(times))]
    wanted = asked.writers * asked.each
    return {"transactions": len(times), "locked": locked, "p95_ms": round(p95, 1), "longest_ms": round(1000 * times[-1]), "per_second": round(len(times) / seconds), "kills": min(asked.kills, 200),
            "integrity": whole, "counted_at_least": counted >= wanted, "good": locked == 0 and whole == "ok" and counted >= wanted}


def _write(number: int, each: int) -> tuple[int, list[float]]:
    import django

    django.setup()
    from django.db import OperationalError, transaction

    from marketplace.accounts.models import User
    from marketplace.catalog.models import Learnware

    with transaction.atomic():
        owner, _ = User.objects.get_or_create(username="counter")
        Learnware.objects.get_or_create(owner=owner, name="counter")
    wrong, times = 0, []
    for _ in range(each):
        began = time.perf_counter()
        try:
            with transaction.atomic():
                row = Learnware.objects.get(name="counter")
                Learnware.objects.filter(pk=row.pk).update(likes_count=row.likes_count + 1)
        except OperationalError:
            wrong += 1
        times.append(time.perf_counter() - began)
        time.sleep(0.002)
    return wrong, times


if __name__ == "__main__":
    sys.exit(main())
