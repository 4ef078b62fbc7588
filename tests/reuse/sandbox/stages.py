"""The battery under another user, another Python, or a kernel that lacks something."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from reuse.sandbox import identity

ROOT = Path(__file__).resolve().parents[3]
SOMEBODY = 1000


def python_for_all() -> str:
    """A Python that every user may start: ours, or the system's where ours lies below a home; "" where there is none."""
    for path in (sys.executable, "/usr/bin/python3"):
        if all(identity.can_reach(needed) for needed in {path, *((sys.prefix, sys.base_prefix) if path == sys.executable else ())}):
            return path
    return ""


def lay_out(folder: Path) -> Path:
    """A copy of what the battery needs, where every user may read it."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    for package in ("reuse", "specs"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    shutil.copy(Path(__file__).with_name("battery.py"), folder)
    return folder


def battery(place: Path, *words: str, uid: int | None = None, python: str = "", **environment: str) -> dict:
    """What the battery says, run from `place`; as user `uid` where that is given and we are root."""
    other = {"user": uid, "group": uid, "extra_groups": []} if uid is not None and os.geteuid() == 0 else {}
    done = subprocess.run(
        [python or sys.executable, "-s", str(place / "battery.py"), *words], capture_output=True, text=True, timeout=300, cwd="/",
        env={"PYTHONPATH": str(place), "PYTHONSAFEPATH": "1", "PATH": os.environ["PATH"], **environment}, **other,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
