"""Many calls and bombs in the sandbox: nothing is left of them, and neighbours hardly notice.

    python -m tests.soak.sandbox --runs 2000 --settle 60

Prints one JSON object and exits 1 when something was left, a bomb outlived its limits by more than 2 s, or the neighbours' p95 doubled. How quick
a warm call and a cold start are is printed and judged by whoever reads it: the machine may be busy with other things.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from reuse import ReuseError
from reuse.manifest import Manifest
from reuse.sandbox import client, probe
from reuse.sandbox.launch import Zygote
from tests.journeys import models

LIMITS = client.Limits(wall_s=4, cpu_s=2, memory=512 << 20, file_bytes=64 << 20, disk=256 << 20, reply_bytes=1 << 20)
OVER_S = 2  # a bomb may last so much longer than its wall time
BOMBS = ("spin", "sleep", "hog", "fork", "threads", "disk", "crash", "garbage", "flood")
SEALED = """
import json, os, sys
from pathlib import Path
from reuse.sandbox import seal
asked = json.loads(sys.argv[1])
if asked["level"] != "none":
    seal.around_zygote(Path(asked["scratch"]), uid=asked["uid"], reading=asked["reading"])
os.write(1, b"x")
"""
HOSTILE = """
import ctypes, mmap, os, sys, threading, time
from reuse.sandbox import zygote

def spin():
    while True:
        pass
def sleep():
    time.sleep(3600)
def hog():
    held = []
    while True:
        held.append(bytearray(b"x" * (16 << 20)))
def fork():
    while True:
        try:
            os.fork()
        except OSError:
            pass
def threads():
    gate = threading.Event()
    while True:
        try:
            threading.Thread(target=gate.wait).start()
        except RuntimeError:
            time.sleep(0.01)
def disk():
    for number in range(10 ** 9):
        with open(f"{number}", "wb") as file:
            file.write(os.urandom(32 << 20))
def crash():
    ctypes.string_at(0)
def garbage():
    os.write(3, os.urandom(1 << 16))
    os._exit(0)
def flood():
    while True:
        os.write(3, bytes(1 << 20))

def libraries():
    import reuse.sandbox.work as work
    work.answer = lambda request, arrays, tell: ({"pong": True}, []) if request["do"] == "ping" else globals()[request["do"]]()

zygote.libraries = libraries
sys.exit(zygote.main())
"""


class Hostile(Zygote):
    """A zygote whose children do not open a model: they do what a model that has broken out of its library would."""

    WORDS = ("-c", HOSTILE)


class Sealed(Zygote):
    """A process that seals itself and says so."""

    WORDS = ("-c", SEALED)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--settle", type=float, default=5)
    parser.add_argument("--level", default="", choices=["", "none", "l1", "full"])
    asked = parser.parse_args()
    level = asked.level or probe.required().name
    found = {"level": level, "load": os.getloadavg()[0], "cold_start_ms": cold(level), "warm": warm(level)}
    say(found)
    found["bombs"] = bombs(level)
    say(found["bombs"])
    found["neighbours"] = neighbours(level)
    say(found["neighbours"])
    found |= many(level, asked.runs, asked.settle)
    print(json.dumps(found))
    late = [name for name, bomb in found["bombs"].items() if bomb["most_s"] > LIMITS.wall_s + OVER_S]
    good = not late and found["neighbours"]["ratio"] < 2 and not found["left"] and found["answered"] + found["ended"] == found["runs"] and not found["wrong"]
    return 0 if good else 1


def cold(level: str) -> dict[str, dict[str, float]]:
    """From nothing to a sealed process, beside the start of the same Python without walls: wall time, and the processor's, which hangs less on neighbours."""
    found = {}
    for name in dict.fromkeys(("none", level)):
        took, before = [], resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(20):
            began = time.perf_counter()
            zygote = Sealed(name)
            assert zygote.process.stdout.read(1) == b"x", zygote.last_words()
            took.append(time.perf_counter() - began)
            zygote.stop()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
        found[name] = {"p50_ms": round(1000 * statistics.median(took), 1), "least_ms": round(1000 * min(took), 1), "cpu_ms": round(1000 * cpu / len(took), 1)}
    return found


def warm(level: str) -> dict[str, dict[str, float]]:
    """One call of each kind to a zygote that stands ready."""
    found, frame = {}, models.part(0, 1).head(50).drop(columns=models.TARGET)
    columns = {name: frame[name].to_numpy() for name in frame}
    with tempfile.TemporaryDirectory() as folder, client.Sandbox(level=level) as sandbox:
        sandbox.warm()
        found["nothing"] = timed(sandbox.warm)
        for kind in ("safetensors", "onnx", "skops"):
            files = models.write(Path(folder), kind, models.part(0, 0.5), kind)
            member = {"name": kind, "path": str(files["model"]), "manifest": Manifest.read_bytes(files["manifest"]).to_json()}
            found[kind] = timed(lambda member=member: sandbox.predict([member], models.space().to_json(), columns))
    return found


def timed(call, count: int = 40) -> dict[str, float]:
    took = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        took.append(1000 * (time.perf_counter() - began))
    took.sort()
    return {"p50_ms": round(statistics.median(took), 1), "p95_ms": round(took[int(0.95 * count)], 1)}


class Broken(client.Sandbox):
    """A sandbox whose zygotes are hostile ones, each that comes after another too."""

    zygote = Hostile


def hostile(level: str) -> client.Sandbox:
    sandbox = Broken(level=level)
    sandbox.warm()
    return sandbox


def bombs(level: str, times: int = 3) -> dict[str, dict]:
    """Each bomb some times: how long it lasted at most, and what was said of it; the next call must be answered."""
    found = {}
    with hostile(level) as sandbox:
        for name in BOMBS:
            took, said = [], Counter()
            for _ in range(times):
                began = time.perf_counter()
                said[throw(sandbox, name)] += 1
                took.append(time.perf_counter() - began)
                sandbox.warm()
            found[name] = {"most_s": round(max(took), 2), "said": dict(said)}
    return found


def throw(sandbox: client.Sandbox, name: str) -> str:
    try:
        sandbox._call({"do": name}, limits=replace(LIMITS))
    except ReuseError as error:
        return error.code
    return "answered"


def neighbours(level: str, seconds: float = 20) -> dict[str, float]:
    """How long a neighbour's calls take alone, and while bombs go off beside it."""
    with client.Sandbox(level=level) as quiet, hostile(level) as loud:
        quiet.warm()
        alone = sampled(quiet, seconds)
        over = threading.Event()

        def bombing() -> None:
            while not over.is_set():
                for name in BOMBS:
                    if not over.is_set():
                        throw(loud, name)

        thread = threading.Thread(target=bombing)
        thread.start()
        beside = sampled(quiet, 2 * seconds)
        over.set()
        thread.join()
    return {"alone_p95_ms": alone, "beside_p95_ms": beside, "ratio": round(beside / alone, 2)}


def sampled(sandbox: client.Sandbox, seconds: float) -> float:
    took, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        sandbox.warm()
        took.append(1000 * (time.perf_counter() - began))
        time.sleep(0.02)
    took.sort()
    return round(took[int(0.95 * len(took))], 1)


def many(level: str, runs: int, settle_s: float) -> dict:
    """`runs` calls, one in ten of them a crash or garbage; what is left of them when all is quiet: processes, folders, descriptors."""
    before, answered, ended, wrong, renewed = state(), 0, 0, Counter(), set()
    began = time.perf_counter()
    frame = models.part(0, 1).head(50).drop(columns=models.TARGET)
    columns = {name: frame[name].to_numpy() for name in frame}
    with tempfile.TemporaryDirectory() as folder, client.Sandbox(level=level, recycle=500) as sandbox, hostile(level) as loud:
        files = models.write(Path(folder), "m", models.part(0, 0.5), "safetensors")
        member = {"name": "m", "path": str(files["model"]), "manifest": Manifest.read_bytes(files["manifest"]).to_json()}
        for number in range(runs):
            if number % 10 == 9:
                said = throw(loud, ("crash", "garbage", "flood")[number // 10 % 3])
                ended += said == "model-crashed"
                if said != "model-crashed":
                    wrong[said] += 1
                continue
            try:
                answered += sandbox.predict([member], models.space().to_json(), columns)[0].shape == (50, 2)
                renewed.add(sandbox._zygote.process.pid)
            except ReuseError as error:
                wrong[error.code] += 1
        took = time.perf_counter() - began
        time.sleep(settle_s)
        left = [process for process in ours() if process["pid"] not in {sandbox._zygote.process.pid, loud._zygote.process.pid} and not _inside(process, sandbox, loud)]
        zombies = [process for process in ours() if process["state"] == "Z"]
        calls = sum(len(list((own._zygote.scratch / name).glob("[0-9c]*"))) for own in (sandbox, loud) for name in ("in", "out") if own._zygote)
    after = state()
    return {"runs": runs, "answered": answered, "ended": ended, "wrong": dict(wrong), "zygotes": len(renewed), "seconds": round(took, 1), "zombies": len(zombies),
            "left": {name: count for name, count in {"processes": len(left), "zombies": len(zombies), "folders of calls": calls, "processes at the end": len(ours()),
                                                     "scratch folders": after["scratch"] - before["scratch"], "descriptors": after["descriptors"] - before["descriptors"]}.items() if count > 0}}


def ours() -> list[dict]:
    """Every process below this one."""
    found, parents = [], {os.getpid()}
    rows = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        rows.append({"pid": int(entry.name), "state": words[0], "parent": int(words[1])})
    grown = True
    while grown:
        new = [row for row in rows if row["parent"] in parents and row["pid"] not in parents]
        parents |= {row["pid"] for row in new}
        found += new
        grown = bool(new)
    return found


def _inside(process: dict, *sandboxes: client.Sandbox) -> bool:
    """bubblewrap's own two processes, and the zygote inside it, are no leftovers; nor is a zygote that is getting ready."""
    heads = {own._zygote.process.pid for own in sandboxes} | {own._next.process.pid for own in sandboxes if own._next}
    try:
        command = Path(f"/proc/{process['pid']}/cmdline").read_bytes()
    except OSError:
        return True
    return process["pid"] in heads or b"bwrap" in command or b"reuse.sandbox.zygote" in command or b"zygote.libraries" in command


def state() -> dict[str, int]:
    return {"scratch": len(list(Path(tempfile.gettempdir()).glob("moorage-sandbox-*"))), "descriptors": len(os.listdir("/proc/self/fd"))}


def say(found: dict) -> None:
    print(json.dumps(found), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
