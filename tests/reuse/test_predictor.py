"""A predictor's folder and its zip: what this package writes loads, what it would not write is refused."""

import json
import shutil
import zipfile

import numpy as np
import pytest

from reuse import ReuseError, engine, predictor
from specs import SpecError
from tests.journeys import models
from tests.reuse.conftest import plan


@pytest.fixture(scope="module")
def folder(members, labelled, tmp_path_factory):
    return engine.run(plan(members, "ensemble/stacked", labelled), workdir=tmp_path_factory.mktemp("predictor")).folder


@pytest.fixture
def own(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "predictor")


def spoil(folder, **changes):
    path = folder / "predictor.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_zip_comes_back_as_it_was_and_byte_for_byte(folder, tmp_path):
    bundle = predictor.pack(folder, tmp_path / "one.zip")
    back = predictor.unpack(bundle, tmp_path / "back")
    assert predictor.pack(back, tmp_path / "two.zip").read_bytes() == bundle.read_bytes()
    rows = models.part(0, 1).head(10)
    assert np.array_equal(predictor.load(back).predict(rows).probabilities, predictor.load(folder).predict(rows).probabilities)


def test_it_predicts_rows_with_extra_columns_and_says_which_are_missing(folder):
    rows = models.part(0, 1).head(5)
    loaded = predictor.load(folder)
    assert len(loaded.predict(rows.assign(note="x")).labels) == 5
    with pytest.raises(SpecError, match="radius"):
        loaded.predict(rows.drop(columns="radius"))


@pytest.mark.parametrize(
    "changes",
    [{"format": "moorage.predictor/99"}, {"members": []}, {"members": "all"}, {"combine": None}, {"space": {}}, {"combine": {"method": "os/system", "params": {}, "state": None}}],
)
def test_a_spoilt_document_is_refused(own, changes):
    spoil(own, **changes)
    with pytest.raises((ReuseError, SpecError)):
        predictor.load(own).predict(models.part(0, 1).head(3))


def test_a_model_that_was_exchanged_is_refused(own):
    entry = json.loads((own / "predictor.json").read_text())["members"][0]
    path = own / entry["file"]
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ReuseError, match="not the file"):
        predictor.load(own)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "members/../../x", "", None, 7, "a\x00b"])
def test_no_path_leads_out_of_the_folder(own, name):
    document = json.loads((own / "predictor.json").read_text())
    document["members"][0]["file"] = name
    (own / "predictor.json").write_text(json.dumps(document))
    with pytest.raises(ReuseError):
        predictor.load(own)


def test_a_link_in_a_folder_is_not_followed(own):
    entry = json.loads((own / "predictor.json").read_text())["members"][0]
    path = own / entry["file"]
    outside = own.parent / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(ReuseError):
        predictor.load(own)


@pytest.mark.parametrize("kind", ["slip", "deflated", "twice", "truncated", "text"])
def test_a_zip_that_we_would_not_write_is_refused(folder, tmp_path, kind):
    path = tmp_path / "evil.zip"
    if kind == "truncated":
        data = predictor.pack(folder, tmp_path / "good.zip").read_bytes()
        path.write_bytes(data[: len(data) // 2])
    elif kind == "text":
        path.write_text("no zip at all")
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if kind == "deflated" else zipfile.ZIP_STORED) as archive:
            archive.writestr("../../evil.json" if kind == "slip" else "predictor.json", b"{}" * 100)
            if kind == "twice":
                with pytest.warns(UserWarning, match="Duplicate"):
                    archive.writestr("predictor.json", b"{}")
    with pytest.raises(ReuseError):
        predictor.unpack(path, tmp_path / "out")
    assert not (tmp_path.parent / "evil.json").exists()


def test_an_ensemble_can_be_offered_again_as_one_model(folder, tmp_path):
    """The format `predictor`: its zip is checked and run like any model."""
    import hashlib

    from reuse import formats
    from reuse.manifest import Manifest
    from reuse.sandbox import work
    from specs.columns import raw_columns

    bundle = predictor.pack(folder, tmp_path / "predictor.zip")
    manifest = Manifest.read({
        "format": "moorage.learnware/1", "name": "again", "version": "1.0.0", "task": "classification", "licence": "MIT",
        "input": {"space": models.space().id, "takes": "columns"}, "output": {"kind": "classes", "target": models.TARGET, "classes": models.CLASSES},
        "model": {"format": "predictor", "file": bundle.name, "sha256": hashlib.sha256(bundle.read_bytes()).hexdigest(), "size": bundle.stat().st_size},
    })
    assert formats.identify(bundle) == "predictor"
    assert len(formats.member("predictor").check(bundle, manifest)["members"]) == 3
    rows = models.part(0, 1).head(20)
    found = work.run(bundle, manifest, models.space(), raw_columns(rows.drop(columns=models.TARGET)))
    assert np.allclose(found, predictor.load(folder).predict(rows).probabilities, atol=1e-9)
