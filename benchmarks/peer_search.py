"""Runs inside the environment of the `learnware` package: the distances its searcher takes, one call for each specification, timed."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from peer_stubs import stub

stub()

from learnware.specification import RKMETableSpecification  # noqa: E402


def specifications(points, weights, sizes, gamma):
    ends = np.cumsum(sizes)
    for Z, w in zip(np.split(points, ends[:-1]), np.split(weights, ends[:-1]), strict=True):
        made = RKMETableSpecification(gamma=gamma, cuda_idx=-1)
        made.z, made.beta = torch.from_numpy(Z.astype(np.float64)), torch.from_numpy(w.astype(np.float64))
        yield made


def main(folder: Path) -> None:
    request, arrays = json.loads((folder / "in.json").read_text()), np.load(folder / "in.npz")
    torch.set_num_threads(request["threads"])
    market = list(specifications(arrays["points"], arrays["weights"], arrays["sizes"], request["gamma"]))
    asked = list(specifications(arrays["asked"], arrays["asked_weights"], arrays["asked_sizes"], request["gamma"]))
    asked[0].dist(market[0])
    began = time.process_time()
    distances = np.array([[float(one.dist(other)) for other in market] for one in asked])
    took = (time.process_time() - began) / len(asked)
    np.savez(folder / "out.npz", distances=distances)
    (folder / "out.json").write_text(json.dumps({"cpu_s": took}))


main(Path(sys.argv[1]))
