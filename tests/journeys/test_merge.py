"""A family of fine-tuned networks through HTTP and the real worker: offered with their base, merged, tuned further."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.journeys import models


def network(folder: Path, name: str, frame, start=None, base=None) -> dict:
    """Files of a small network trained on a frame, from another one's weights where given."""
    import torch
    from safetensors.torch import load_file, save_file

    from reuse import architectures

    config = {"inputs": models.space().d, "hidden": [12], "outputs": 2}
    torch.manual_seed(0)
    module = architectures.build("mlp", config)
    if start is not None:
        module.load_state_dict(load_file(start))
    X = torch.tensor(models.space().encode(frame), dtype=torch.float32)
    y = torch.tensor((frame[models.TARGET] == "malignant").to_numpy(), dtype=torch.long)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(120):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(X), y).backward()
        optimiser.step()
    path = folder / f"{name}.safetensors"
    save_file({key: value.detach().contiguous() for key, value in module.state_dict().items()}, path)
    manifest = {
        "format": "moorage.learnware/1", "name": name, "version": "1.0.0", "task": "classification", "licence": "MIT", "input": {"space": models.space().id, "takes": "coordinates"},
        "output": {"kind": "classes", "target": models.TARGET, "classes": models.CLASSES}, "base": base,
        "model": {"format": "safetensors", "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size": path.stat().st_size,
                  "architecture": {"name": "mlp", "config": config}},
    }
    return {"manifest": json.dumps(manifest).encode(), "model": path, "specification": json.dumps(models.requirement(frame)).encode()}


@pytest.fixture(scope="module")
def family(alice, offer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("family")
    base = network(folder, "net-base", models.part(0, 1).sample(120, random_state=0))
    versions = [offer(alice, base)]
    for name, low, high in (("net-small", 0.0, 0.55), ("net-large", 0.45, 1.0)):
        versions.append(offer(alice, network(folder, name, models.part(low, high), base["model"], {"learnware": versions[0]["reference"]})))
    assert [version["status"] for version in versions] == ["usable"] * 3, versions
    return versions


@pytest.mark.parametrize("method", ["merge/average", "merge/wise-ft", "merge/ties", "merge/tsv", "merge/regmean", "merge/fisher"])
def test_the_family_becomes_one_network_that_works(site, bob, family, finished, tmp_path, method):
    from reuse import predictor

    members = [{"reference": version["reference"]} for version in family[1:]]
    job = finished(bob, bob.post("jobs", json={"members": members, "method": method}).json())
    assert job["status"] == "done", job["error"]
    zipfile.ZipFile(io.BytesIO(bob.get(site.url + job["result"]["url"]).content)).extractall(tmp_path / "predictor")
    loaded = predictor.load(tmp_path / "predictor")
    assert len(loaded.manifests) == 1 and loaded.manifests[0].format == "safetensors"
    rows = models.part(0, 1)
    assert (loaded.predict(rows).labels == rows[models.TARGET].to_numpy()).mean() > 0.88
    assert {m["reference"] for m in job["lineage"]["members"]} >= {version["reference"] for version in family[1:]}


def test_the_curve_of_wise_ft_is_shown_and_the_result_offered_again(site, bob, family, finished):
    data = models.part(0, 1).sample(60, random_state=2).to_csv(index=False).encode()
    job = bob.post("jobs", data={"members": json.dumps([{"reference": family[1]["reference"]}]), "method": "merge/wise-ft", "target": models.TARGET},
                   files={"data": ("labelled.csv", data, "text/csv")}).json()
    job = finished(bob, job)
    assert job["status"] == "done", job["error"]
    curve = job["evidence"]["curve"]
    assert [point["value"] for point in curve["points"]] == [round(0.1 * i, 1) for i in range(11)] and curve["chosen"] == job["lineage"]["params"]["alpha"]
    assert "alpha" in bob.get(f"jobs/{job['id']}/card").text
    proof = bob.get(f"jobs/{job['id']}/evidence")
    assert proof.json()["lineage"] == job["lineage"] and "attachment" in proof.headers["Content-Disposition"]
    made = bob.post(f"jobs/{job['id']}/offer", json={"name": "part-of-the-way"}).json()
    assert made["format"] == "safetensors" and set(made["parents"]) == {family[0]["reference"], family[1]["reference"]}


@pytest.mark.parametrize("method", ["finetune/head", "finetune/bang"])
def test_one_is_tuned_further_on_labels_of_ones_own(bob, family, finished, method):
    data = models.part(0.2, 0.8).head(60).to_csv(index=False).encode()
    job = bob.post("jobs", data={"members": json.dumps([{"reference": family[1]["reference"]}]), "method": method, "target": models.TARGET},
                   files={"data": ("labelled.csv", data, "text/csv")}).json()
    job = finished(bob, job)
    assert job["status"] == "done", job["error"]
    assert {row["method"] for row in job["evidence"]["leaderboard"]} >= {method, "scratch", "ensemble/best-single"}


def test_auto_weighs_merges_against_everything_else(bob, family, finished):
    data = models.part(0, 1).sample(50, random_state=1).to_csv(index=False).encode()
    job = bob.post("jobs", data={"members": json.dumps([{"reference": v["reference"]} for v in family[1:]]), "method": "auto", "target": models.TARGET},
                   files={"data": ("labelled.csv", data, "text/csv")}).json()
    job = finished(bob, job)
    board = {row["method"]: row for row in job["evidence"]["leaderboard"]}
    assert {"merge/average", "merge/wise-ft", "ensemble/routed", "finetune/full", "scratch"} <= set(board)
    assert np.isfinite([row["loss"] for row in board.values()]).all()


def test_strangers_are_not_merged(bob, catalog, family):
    answer = bob.post("jobs", json={"members": [{"reference": family[1]["reference"]}, {"reference": catalog["middling"]["reference"]}], "method": "merge/average"})
    assert answer.status_code == 422 and answer.json()["code"] == "bad-members" and "ensemble" in answer.json()["hint"]
