"""Seeded mutants of well-formed offers: through the validators in this process, through the sandbox, and some over HTTP to a real site.

    python -m tests.soak.fuzz --mutants 10000 --sandbox 500 --http 300 --seed 0

A mutant may be refused or accepted; nothing else may happen: no exception but our own, no death but of a sandbox's child, no file left, no answer
of 5xx, and this process may not grow by 50 MB. Prints one JSON object; exits 1 otherwise.
"""

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.soak import corpus

WARM = 300  # mutants after which the process is as large as it will be
WORDS = (b"\0", b"\xff", b"NaN", b"Infinity", b"-1", b"1e999", b"99999999999999999999", b"{", b"}", b"[", b"]", b'"', b"\\u0000", b"../", b"PK\3\4", b"__reduce__", b"null", b"true", b"=", b"\n")


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, cut, doubled, moved or put in."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        if not out:
            break
        at, size = chance.randrange(len(out)), chance.choice((1, 1, 2, 4, 8, 64, 1024))
        match chance.randrange(8):
            case 0:
                out[at] ^= 1 << chance.randrange(8)
            case 1:
                out[at] = chance.randrange(256)
            case 2:
                del out[at : at + size]
            case 3:
                out[at:at] = out[at : at + size]
            case 4:
                out[at:at] = chance.choice(WORDS)
            case 5:
                out[at : at + 4] = chance.randbytes(4)
            case 6:
                other = chance.randrange(len(out))
                out[at : at + size], out[other : other + size] = out[other : other + size], out[at : at + size]
            case 7:
                del out[at:]
    return bytes(out)


def mutant(base: list[corpus.Case], number: int, seed: int) -> corpus.Case:
    """The mutant of this number, the same whenever it is asked for: the model mostly, else the specification or the manifest."""
    chance = random.Random(seed * 1_000_003 + number)
    case, part = chance.choice(base), chance.random()
    if part < 0.8:
        model = mutated(case.model, chance)
        said = json.loads(case.manifest)
        said["model"] |= {"sha256": corpus.hashlib.sha256(model).hexdigest(), "size": len(model)}
        return replace(case, model=model, manifest=json.dumps(said | {"name": f"mutant-{number}"}).encode())
    manifest = case.manifest.replace(json.dumps(json.loads(case.manifest)["name"]).encode(), f'"mutant-{number}"'.encode(), 1)
    if part < 0.9:
        return replace(case, specification=mutated(case.specification, chance), manifest=manifest)
    return replace(case, manifest=mutated(manifest, chance))


def in_process(base: list[corpus.Case], mutants: int, seed: int) -> dict[str, Any]:
    """Every mutant against the validators; anything but ReuseError, SpecError or acceptance is a surprise."""
    counted, surprises, slowest, grown = Counter(), [], 0.0, _rss()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for number in range(mutants):
            if number == WARM:
                grown = _rss()
            case, began = mutant(base, number, seed), time.process_time()
            try:
                where, code = corpus.inspect(case, Path(folder))
            except Exception as error:  # what the whole run looks for
                surprises.append(f"{number} ({case.name}): {type(error).__name__}: {str(error)[:120]}")
                continue
            slowest = max(slowest, time.process_time() - began)
            counted[code or where] += 1
        left = [name for name in os.listdir(folder) if name != "model.bin"]
    return {"mutants": mutants, "surprises": surprises[:20], "left": left, "grown_mb": round((_rss() - grown) / 2**20, 1), "slowest_s": round(slowest, 3), "outcomes": dict(counted.most_common())}


def in_sandbox(base: list[corpus.Case], mutants: int, seed: int) -> dict[str, Any]:
    """Mutants whose specification and manifest stand, as a worker checks them: the sandbox may only answer or refuse, and must go on."""
    from reuse import ReuseError, sandbox
    from reuse.manifest import Manifest
    from specs import SpecError, Specification

    counted, surprises, done, number = Counter(), [], 0, 0
    held = set(Path(tempfile.gettempdir()).glob("moorage-sandbox-*"))
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, sandbox.Sandbox() as box:
        while done < mutants and number < 40 * mutants:
            number += 1
            case = mutant(base, number, seed + 1)
            path, spec = Path(folder, "model.bin"), Path(folder, "specification.json")
            try:
                manifest = Manifest.read_bytes(case.manifest)
                Specification.from_bytes(case.specification)
            except (ReuseError, SpecError):
                continue
            path.write_bytes(case.model)
            spec.write_bytes(case.specification)
            done += 1
            try:
                box.check(path, manifest.to_json(), spec)
                counted["usable"] += 1
            except ReuseError as error:
                counted[error.code] += 1
            except Exception as error:  # what the whole run looks for
                surprises.append(f"{number} ({case.name}): {type(error).__name__}: {str(error)[:120]}")
        box.warm()  # it must still answer
    left = [str(path) for path in set(Path(tempfile.gettempdir()).glob("moorage-sandbox-*")) - held]
    return {"mutants": done, "surprises": surprises[:20], "left": left, "outcomes": dict(counted.most_common())}


def over_http(base: list[corpus.Case], mutants: int, seed: int) -> dict[str, Any]:
    """Mutants offered to a real site; 5xx, dead processes and what is left behind are counted."""
    from tests.journeys.site import Site
    from tests.soak import hostile

    with tempfile.TemporaryDirectory(prefix="fuzz-site-") as folder:
        site = Site(Path(folder))
        site.prepare("alice", "bob")
        try:
            site.start_web()
            worker = site.start_worker()
            client = site.client(site.token("alice", ["read", "upload", "run"]))
            hostile.warm(client)
            outcomes = [hostile.offered(client, mutant(base, number, seed + 2)) for number in range(mutants)]
            deaths = int(site._web.poll() is not None) + int(worker.poll() is not None)
            left = hostile.strays(site, json.loads(site.manage("shell", "-v0", "-c", hostile.COUNT)), outcomes)
        finally:
            site.stop()
    seconds = sorted(o["seconds"] for o in outcomes)
    return {"mutants": mutants, "5xx": sum(o["status"] >= 500 for o in outcomes), "deaths": deaths, "left": left, "undecided": sum(o["where"] == "checking" for o in outcomes),
            "p95_s": round(seconds[int(0.95 * (len(seconds) - 1))], 3), "outcomes": dict(Counter(o["code"] or o["where"] for o in outcomes).most_common(12))}


def _rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("mutants", 2_000), ("sandbox", 100), ("http", 50), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        base = [*corpus.good(), *(case for case in corpus.graphs() if case.category == "well-formed")]
        found = {"seed": asked.seed, "validators": in_process(base, asked.mutants, asked.seed)}
        if asked.sandbox:
            found["sandbox"] = in_sandbox(base, asked.sandbox, asked.seed)
        if asked.http:
            found["http"] = over_http(base, asked.http, asked.seed)
    print(json.dumps(found))
    http = found.get("http", {})
    good = not any(part.get("surprises") or part.get("left") for part in found.values() if isinstance(part, dict)) and found["validators"]["grown_mb"] < 50 and not http.get("5xx") and not http.get("deaths")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
