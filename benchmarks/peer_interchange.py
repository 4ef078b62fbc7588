"""Runs inside the environment of the `learnware` package: loads what we wrote, saves it again, writes its own, and says its inner products."""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from peer_stubs import stub

stub()

from learnware.specification import RKMETableSpecification  # noqa: E402

YAML = """model: {class_name: Model, kwargs: {}}
stat_specifications:
  - module_path: learnware.specification
    class_name: RKMETableSpecification
    file_name: stat.json
    kwargs: {}
"""


def main(folder: Path) -> None:
    request = json.loads((folder / "in.json").read_text())
    X = np.load(folder / "in.npz")["X"]
    ours = RKMETableSpecification(gamma=.1, cuda_idx=-1)
    ours.load(str(folder / "ours.json"))
    ours.save(str(folder / "again.json"))
    theirs = RKMETableSpecification(gamma=request["gamma"], cuda_idx=-1)
    theirs.generate_stat_spec_from_data(X, K=20)
    theirs.save(str(folder / "theirs.json"))
    with zipfile.ZipFile(folder / "theirs.zip", "w") as archive:
        archive.writestr("learnware.yaml", YAML)
        archive.writestr("__init__.py", "raise SystemExit('nobody runs this')")
        archive.write(folder / "theirs.json", "stat.json")
    with zipfile.ZipFile(folder / "ours.zip") as archive:
        archive.extractall(folder / "unpacked")
    from learnware.learnware import get_learnware_from_dirpath

    semantic = json.loads((folder / "unpacked" / "semantic_specification.json").read_text())
    found = get_learnware_from_dirpath("id", semantic, str(folder / "unpacked"))
    stat = found.get_specification().get_stat_spec_by_name("RKMETableSpecification") if found is not None else None
    np.savez(folder / "out.npz", none=np.zeros(1))
    said = {"own": ours.inner_prod(ours), "cross": ours.inner_prod(theirs), "theirs": theirs.inner_prod(theirs),
            "zip": bool(stat is not None and np.allclose(np.asarray(stat.get_beta()), np.asarray(ours.get_beta())))}
    (folder / "out.json").write_text(json.dumps({key: float(value) for key, value in said.items()}))


main(Path(sys.argv[1]))
