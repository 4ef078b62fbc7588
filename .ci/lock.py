#!/usr/bin/env python3
"""Make requirements.lock: every file of every pinned requirement by its SHA-256, for all platforms and Pythons. `python .ci/lock.py`; `--check` says whether it is level.

requirements.txt stays the file that people read and edit; run.py installs from the lock, so that pip refuses any file whose bytes are others. uv (where it is missing, in a virtual environment of its own)
asks the package index; the CPU builds of torch come from another index, or from the folders of `pip config`'s find-links, and are named at the head of the lock.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS, LOCK = ROOT / "requirements.txt", ROOT / "requirements.lock"
UV = "uv==0.13.9"
TORCH_CPU = "https://download.pytorch.org/whl/cpu/torch/"
# Linux on x86_64 and aarch64, macOS on arm64, Windows; CPython 3.11 and newer.
PROMISED = re.compile(r"cp31[1-9]-cp31[1-9]-(manylinux.*(x86_64|aarch64)|linux_(x86_64|aarch64)|macosx.*arm64|win_amd64)\.whl$")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="make nothing; exit 1 when the lock is not level with requirements.txt")
    if parser.parse_args().check:
        wrong = problems()
        print("\n".join(wrong) or "requirements.lock is level with requirements.txt.")
        return 1 if wrong else 0
    cpu = cpu_builds()
    LOCK.write_text(head(cpu) + with_cpu(hashed(), cpu))
    print(f"{LOCK.name}: {len(pins(LOCK))} packages, {LOCK.read_text().count('--hash=')} files, {len(cpu)} CPU builds of torch.")
    return 0


def problems() -> list[str]:
    """What keeps the lock from being installed in place of requirements.txt; empty when it is level."""
    if not LOCK.exists():
        return ["There is no requirements.lock. Run: python .ci/lock.py"]
    asked, held = pins(REQUIREMENTS), pins(LOCK)
    wrong = [f"{name}: requirements.txt pins {asked.get(name, 'nothing')}, the lock {held.get(name, 'nothing')}." for name in sorted(asked.keys() | held.keys()) if asked.get(name) != held.get(name)]
    blocks = re.split(r"\n(?=\S)", LOCK.read_text())
    wrong += [f"{block.split()[0]} has no hash." for block in blocks if "==" in block.split("\n")[0] and not block.startswith("#") and "--hash=sha256:" not in block]
    return wrong and [*wrong, "Run: python .ci/lock.py"]


def pins(path: Path) -> dict[str, str]:
    """{name: version} of a requirements file; extras and markers aside."""
    lines = re.findall(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", path.read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in lines}


def hashed() -> str:
    with tempfile.TemporaryDirectory() as folder:
        uv = shutil.which("uv") or f"{folder}/bin/uv"
        if uv.startswith(folder):
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([f"{folder}/bin/pip", "install", "--quiet", "--disable-pip-version-check", UV], check=True)
        out = f"{folder}/lock.txt"
        subprocess.run([uv, "pip", "compile", "--quiet", "--no-deps", "--universal", "--generate-hashes", "--no-annotate", "--no-header", "--python-version", "3.11",
                        str(REQUIREMENTS), "-o", out], check=True)
        return Path(out).read_text()


def cpu_builds() -> dict[str, str]:
    """{file name: SHA-256} of torch's CPU wheels: from their index, from folders that pip knows, and those that the last lock named."""
    version = pins(REQUIREMENTS)["torch"]
    found = dict(re.findall(r"^# (torch-\S+\.whl) sha256:([0-9a-f]{64})$", LOCK.read_text() if LOCK.exists() else "", re.MULTILINE))
    try:
        with urllib.request.urlopen(TORCH_CPU, timeout=10) as answer:
            page = answer.read().decode().replace("%2B", "+")
        found |= dict(re.findall(r"(torch-[^\"#/<>]+\.whl)#sha256=([0-9a-f]{64})", page))
    except OSError as error:
        print(f"{TORCH_CPU} does not answer ({error}); CPU builds of torch are those that are known already.", file=sys.stderr)
    places = subprocess.run([sys.executable, "-m", "pip", "config", "get", "global.find-links"], capture_output=True, text=True).stdout.split()
    for wheel in (path for place in places if Path(place).is_dir() for path in Path(place).glob("torch-*+cpu-*.whl")):
        found[wheel.name] = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return {name: digest for name, digest in sorted(found.items()) if name.startswith(f"torch-{version}+cpu-") and PROMISED.search(name)}


def head(cpu: dict[str, str]) -> str:
    lines = ["# Made by .ci/lock.py from requirements.txt: edit that, then run it again. pip installs nothing whose SHA-256 is not here.",
             "# CPU builds of torch (https://download.pytorch.org/whl/cpu), 0.2 GB in place of 5; run.py takes them where its Python is among these:"]
    return "\n".join([*lines, *(f"# {name} sha256:{digest}" for name, digest in cpu.items()), ""])


def with_cpu(text: str, cpu: dict[str, str]) -> str:
    extra = "".join(f" \\\n    --hash=sha256:{digest}" for digest in cpu.values() if digest not in text)
    return re.sub(r"(^torch==(?:[^\n]*\\\n)+[^\n]*)", lambda block: block[0] + extra, text, flags=re.MULTILINE)


if __name__ == "__main__":
    sys.exit(main())
