"""Every way out of the sandbox, under every user, level and missing wall that this machine can play.

    python -m tests.soak.escape

Prints one JSON object: for each setting how many probes were tried, and those that were open; exits 1 when one was. The first lines show that
the probes can succeed: the same ones in plain processes.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.reuse.sandbox import battery, stages


def main() -> int:
    folder, python = Path(tempfile.mkdtemp(prefix="moorage-battery-")), stages.python_for_all()
    root = os.geteuid() == 0
    found: dict[str, dict] = {}
    try:
        place = stages.lay_out(folder)
        users = [("as root", None), (f"as uid {stages.SOMEBODY}", stages.SOMEBODY)] if root else [("as an ordinary user", None)]
        for who, uid in users:
            if not python:
                found[f"{who}: skipped, no Python that every user may start"] = {}
                continue
            outside = stages.battery(place, "none", uid=uid, python=python)
            able = [name for name in battery.PROBES if outside[name].startswith("open")]
            found[f"{who}, without walls"] = {"probes": len(outside) - 1, "open": len(able), "not open": sorted({*battery.PROBES} - {*able})}
            for words in (["l1"], ["full"], ["--without=namespaces", "l1"]):
                said = stages.battery(place, *words, uid=uid, python=python)
                opened = {name: answer for name, answer in said.items() if not answer.startswith(("refused", "killed"))}
                found[f"{who}, {' '.join(words)}"] = {"probes": len(said) - 1, "open": opened}
            for wall in ("landlock", "seccomp"):
                level = stages.battery(place, f"--without={wall}", "level", uid=uid, python=python)["level"]
                found[f"{who}, --without={wall}"] = {"level": level, "open": {} if level == "refuses" else {"level": level}}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(found, indent=1))
    return 1 if any(each.get("open") for name, each in found.items() if "without walls" not in name) else 0


if __name__ == "__main__":
    sys.exit(main())
