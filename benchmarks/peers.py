"""Peers in virtual environments of their own: their dependencies never enter ours. Made at the first use, under .peers/."""

import hashlib
import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".peers"

# The package asks for trl, peft, datasets and lm_eval (5.9 GB), which its specifications of tables never call: their names are
# stood in for (benchmarks/peer_learnware.py), and what it does call is installed.
LEARNWARE = (
    ["--no-deps", "learnware==0.4.0.post1"],
    ["torch==2.13.0", "numpy==2.4.6", "scipy==1.17.1", "scikit-learn==1.9.1", "pandas==2.3.3", "qpsolvers==4.9.0", "clarabel==0.11.1", "PyYAML", "tqdm", "requests", "fast-pytorch-kmeans", "psutil"],
    # Its reusers (benchmarks/peer_reuse.py) import its market, and the selector is LightGBM.
    ["lightgbm==4.7.0", "sqlalchemy", "shortuuid", "rapidfuzz", "portalocker", "docker"],
)
# transformers 5 is what it asks for; the rest is pinned so that its figures mean the same tomorrow.
MERGEKIT = (["mergekit==0.1.5", "torch==2.13.0", "numpy==2.4.6", "safetensors==0.8.0"],)
KNOWN = {"learnware": LEARNWARE, "mergekit": MERGEKIT}


def python(name: str) -> Path:
    """The interpreter of a peer's environment, made where it is missing."""
    home, wanted = FOLDER / name, KNOWN[name]
    stamp, executable = home / "stamp", home / "bin" / "python"
    digest = hashlib.sha256(json.dumps(wanted).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return executable
    print(f"Making {home} (once) …", file=sys.stderr, flush=True)
    venv.EnvBuilder(with_pip=True, clear=True).create(home)
    for part in wanted:
        subprocess.run([executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *part], check=True)
    stamp.write_text(digest)
    return executable


def ask(name: str, script: str, request: dict[str, Any], arrays: dict[str, np.ndarray], folder: Path, threads: int = 1) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Run benchmarks/`script` in a peer's environment: JSON and arrays in, JSON and arrays out, through files in `folder`."""
    np.savez(folder / "in.npz", **arrays)
    (folder / "in.json").write_text(json.dumps(request))
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **{key: str(threads) for key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}}
    subprocess.run([python(name), ROOT / "benchmarks" / script, folder], check=True, env=environment, stdout=subprocess.DEVNULL)
    with np.load(folder / "out.npz") as found:
        return json.loads((folder / "out.json").read_text()), dict(found)
