"""What every format obeys: what was exported answers as the model did, and a spoilt file is refused, never obeyed."""

import numpy as np
import pytest

from reuse import ReuseError, formats
from reuse.sandbox import work
from specs.columns import raw_columns
from tests.journeys import models


@pytest.fixture(params=range(3), ids=["skops", "onnx", "safetensors"])
def member(request, members):
    return members[request.param]


def test_its_check_reports_and_runs_nothing(member):
    report = formats.member(member.manifest.format).check(member.path, member.manifest)
    assert set(report) >= {"parameters", "tensors"}


def test_its_answers_are_probabilities_of_the_declared_classes(member):
    columns = raw_columns(models.part(0, 1).head(50).drop(columns=models.TARGET))
    found = work.run(member.path, member.manifest, models.space(), columns)
    assert found.shape == (50, 2) and np.allclose(found.sum(axis=1), 1) and found.min() >= 0


def test_it_answers_as_the_model_that_was_exported(members):
    frame = models.part(0, 0.5)
    found = work.run(members[0].path, members[0].manifest, models.space(), raw_columns(frame.drop(columns=models.TARGET)))
    assert np.allclose(found, models.fitted(frame).predict_proba(frame.drop(columns=models.TARGET)), atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path, member, share):
    data = member.path.read_bytes()
    path = tmp_path / member.path.name
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ReuseError):
        formats.identify(path)
        formats.member(member.manifest.format).check(path, member.manifest)
        work.run(path, member.manifest, models.space(), raw_columns(models.part(0, 1).head(3)))


def test_flipped_bytes_are_refused_or_answered_but_never_anything_else(tmp_path, member, random):
    data, path = bytearray(member.path.read_bytes()), tmp_path / member.path.name
    columns = raw_columns(models.part(0, 1).head(3))
    for _ in range(40):
        spoilt = bytearray(data)
        for place in random.integers(0, len(data), size=3):
            spoilt[place] ^= int(random.integers(1, 256))
        path.write_bytes(bytes(spoilt))
        try:
            formats.identify(path)
            formats.member(member.manifest.format).check(path, member.manifest)
        except ReuseError:
            continue
        reply, found = work.answer({"do": "predict", "members": [{"name": "m", "path": str(path), "manifest": member.manifest.to_json()}],
                                    "space": models.space().to_json(), "table": _table(columns)[0]}, _table(columns)[1])
        assert "error" in reply or np.isfinite(found[0]).all()


def _table(columns):
    from reuse.sandbox import wire

    return wire.columns_out({c.name: np.asarray(columns[c.name]) for c in models.space().columns})
