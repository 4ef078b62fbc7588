"""Runs inside the environment of the `learnware` package: makes its RKME specification of an array, timed. Python 3.11, no Moorage."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from peer_stubs import stub

stub()

from learnware.specification import RKMETableSpecification  # noqa: E402


def main(folder: Path) -> None:
    request = json.loads((folder / "in.json").read_text())
    torch.set_num_threads(request["threads"])
    X = np.load(folder / "in.npz")["X"]
    # Once on a little, so that what is loaded at the first call is not counted.
    RKMETableSpecification(gamma=request["gamma"], cuda_idx=-1).generate_stat_spec_from_data(X[:300], K=10)
    spec = RKMETableSpecification(gamma=request["gamma"], cuda_idx=-1)
    began = time.process_time()
    spec.generate_stat_spec_from_data(X, K=request["points"])
    took = time.process_time() - began
    points = np.asarray(spec.get_z(), dtype=np.float64).reshape(-1, X.shape[1])
    np.savez(folder / "out.npz", points=points, weights=np.asarray(spec.get_beta(), dtype=np.float64))
    (folder / "out.json").write_text(json.dumps({"cpu_s": took}))


main(Path(sys.argv[1]))
