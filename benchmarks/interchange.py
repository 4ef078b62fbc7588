"""There and back with the `learnware` package itself: what it writes we read, what we write it reads, and the inner products agree.

Real tables (scikit-learn's diabetes, wine and breast cancer; standardised), the package's own specification and ours in the package's space.
"""

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import tempfile  # noqa: E402
from dataclasses import replace  # noqa: E402
from pathlib import Path  # noqa: E402

from benchmarks import peers  # noqa: E402
from benchmarks.report import Row, main  # noqa: E402


def run(arguments: argparse.Namespace) -> list[Row]:
    from sklearn import datasets

    import specs
    from moorage.interchange import to_zip
    from specs import interchange
    from specs.rkme import inner

    rows = []
    for name in ("diabetes", "wine", "breast_cancer"):
        X = getattr(datasets, f"load_{name}")().data
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        d = X.shape[1]
        gamma = 1 / (2 * d)
        space = interchange.raw_space(d, gamma)
        table = {f"x{i}": X[:, i] for i in range(d)}
        ours = specs.Specification(space, specs.describe(table, space, points=30), {"name": name, "task": "classification"})
        with tempfile.TemporaryDirectory(prefix="moorage-peer-") as folder:
            at = Path(folder)
            (at / "ours.zip").write_bytes(to_zip(ours))
            (at / "ours.json").write_bytes(interchange.to_stat_json(ours))
            said, _ = peers.ask("learnware", "peer_interchange.py", {"gamma": gamma}, {"X": X}, at)
            theirs = interchange.from_stat_json((at / "theirs.json").read_bytes()).specification.rkme
            again = interchange.from_stat_json((at / "again.json").read_bytes()).specification.rkme
            by_zip = interchange.from_zip((at / "ours.zip").read_bytes()).specification
            theirs_zip = interchange.from_zip((at / "theirs.zip").read_bytes())
        here = {"own": inner(ours.rkme, ours.rkme), "cross": inner(ours.rkme, theirs), "theirs": inner(theirs, theirs)}
        for key, value in here.items():
            rows.append(Row(f"{name}, d={d}", f"inner product, {key}", "", value, peer=said[key], note=f"difference {abs(value - said[key]):.1e}; the goal is 1e-6"))
        same = replace(again, generator=ours.rkme.generator)
        rows.append(Row(f"{name}, d={d}", "ours, loaded and saved by them, read again: squared MMD to itself", "", specs.squared_mmd(ours.rkme, same), limit=1e-6))
        rows.append(Row(f"{name}, d={d}", "our zip opens there, theirs here", "", float(said["zip"] and by_zip.space.id == space.id and theirs_zip.specification.rkme.size > 0), limit=1.0))
    return rows


if __name__ == "__main__":
    main("interchange", run, doc=__doc__, packages=("numpy",))
