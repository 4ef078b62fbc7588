#!/usr/bin/env python3
"""What our code and what it brings must pass: no known hole in a dependency, nothing of high severity by bandit, no secret in a file. `.venv/bin/python .ci/audit.py`

Where the package index does not answer, pip-audit can look nothing up: that is said, and is no failure. A hole that is waived stands in WAIVED with its reason and the last day.
"""

import datetime
import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OURS = ["marketplace", "moorage", "reuse", "specs", "storage", "run.py", "manage.py", ".ci"]
ADVISORIES = "https://pypi.org/pypi/pip/json"  # what pip-audit asks, for one package
LOOK_UP_S = 120
WAIVED: dict[str, tuple[str, str]] = {}  # {"PYSEC-…": ("2027-01-31", "why it does not reach us")}
UNREAD = (".lock", ".png", ".svg", ".woff2", ".onnx", ".safetensors", ".skops", ".gz", ".zip", ".ubj", ".npz", ".parquet")
BASELINE = ROOT / ".ci" / "secrets.json"  # strings that look like secrets and are none, each looked at by a person


def main() -> int:
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:  # each waits for a process or the network
        found = list(pool.map(lambda check: check(), (known_holes, bandit, secrets)))
    for name, (_, said) in zip(("pip-audit", "bandit", "detect-secrets"), found, strict=True):
        print(f"{name}: {said}", flush=True)
    print(f"Audited in {time.monotonic() - began:.0f} s.")
    return 0 if all(good for good, _ in found) else 1


def known_holes() -> tuple[bool, str]:
    """Every pinned version, held against the advisories of the package index."""
    try:
        urllib.request.urlopen(ADVISORIES, timeout=5).close()
    except urllib.error.HTTPError:
        pass  # somebody answers
    except OSError as error:
        return True, f"NO NETWORK: {ADVISORIES} does not answer ({error}); nothing was looked up"
    today = datetime.date.today().isoformat()
    ignored = [part for hole, (until, _) in WAIVED.items() if today <= until for part in ("--ignore-vuln", hole)]
    command = [sys.executable, "-m", "pip_audit", "--requirement", "requirements.lock", "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off", *ignored]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LOOK_UP_S)
        found = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return True, f"the index answers too slowly: not done within {LOOK_UP_S} s; nothing is known"
    except (ValueError, KeyError):
        return False, f"failed, though the index answers: {done.stderr.strip()[-500:]}"
    holes = [f"{one['name']} {one['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no version'}" for one in found for hole in one.get("vulns", [])]
    waived = f", {len(ignored) // 2} waived" if ignored else ""
    return not holes, "\n  ".join([f"{len(holes)} known holes", *holes]) if holes else f"0 known holes in {len(found)} packages{waived}"


def bandit() -> tuple[bool, str]:
    """Findings of high severity fail; the others are counted."""
    done = subprocess.run([sys.executable, "-m", "bandit", "--recursive", *OURS, "--format", "json", "--quiet"], cwd=ROOT, capture_output=True, text=True)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return False, f"failed: {done.stderr.strip()[-500:]}"
    high = [f"{one['filename']}:{one['line_number']}: {one['test_id']} {one['issue_text']}" for one in found["results"] if one["issue_severity"] == "HIGH"]
    rest = len(found["results"]) - len(high)
    return not high, "\n  ".join([f"{len(high)} of high severity", *high, f"{rest} lower" if high else ""]).strip() if high else f"0 of high severity, {rest} lower"


def secrets() -> tuple[bool, str]:
    """Every file that git keeps; what is in the baseline has been looked at. Tests make up passwords and digests: there only what has the form of a real key counts."""
    kept = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    files = [name for name in kept if name and not name.endswith(UNREAD) and "/vendor/" not in name and "/golden/" not in name and name != str(BASELINE.relative_to(ROOT)) and (ROOT / name).is_file()]
    tests = [name for name in files if name.startswith(("tests/", "docs/benchmarks/"))]
    noisy = [part for name in ("KeywordDetector", "Base64HighEntropyString", "HexHighEntropyString", "BasicAuthDetector") for part in ("--disable-plugin", name)]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as copy:  # the hook writes new line numbers into its baseline
        copy.write(BASELINE.read_text())
        copy.flush()
        runs = [["--baseline", copy.name, *sorted(set(files) - set(tests))], [*noisy, *tests]]
        done = [subprocess.run([sys.executable, "-m", "detect_secrets.pre_commit_hook", *run], cwd=ROOT, capture_output=True, text=True) for run in runs]
    wrong = [run for run in done if run.returncode not in (0, 3)]
    return not wrong, "\n".join(["looks like a secret:", *((run.stdout + run.stderr).strip()[-3000:] for run in wrong)]) if wrong else f"0 new in {len(files)} files"


if __name__ == "__main__":
    sys.exit(main())
