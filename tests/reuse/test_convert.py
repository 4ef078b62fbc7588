"""Conversion on the owner's machine."""

import joblib
import numpy as np
import pytest
import torch

from reuse import ReuseError, architectures, convert, formats
from tests.journeys import models


def test_a_joblib_pipeline_becomes_skops_that_answers_alike(tmp_path):
    import skops.io

    frame = models.part(0, 1)
    model = models.fitted(frame)
    joblib.dump(model, tmp_path / "m.joblib")
    assert convert.runs_code(tmp_path / "m.joblib")
    said = convert.convert_file(tmp_path / "m.joblib", tmp_path / "m.skops")
    assert "Pipeline" in said and formats.identify(tmp_path / "m.skops") == "skops"
    back = skops.io.load(tmp_path / "m.skops", trusted=[])
    X = frame.drop(columns=models.TARGET)
    assert np.array_equal(back.predict(X), model.predict(X))


@pytest.mark.parametrize("nested", [False, True])
def test_a_state_dict_becomes_safetensors_and_its_architecture_is_guessed(tmp_path, nested):
    from safetensors.torch import load_file

    config = {"inputs": 7, "hidden": [5, 4], "outputs": 3, "norm": True}
    state = architectures.build("mlp", config).state_dict()
    torch.save({"state_dict": state, "epoch": 3} if nested else state, tmp_path / "w.pt")
    assert not convert.runs_code(tmp_path / "w.pt")
    said = convert.convert_file(tmp_path / "w.pt", tmp_path / "m.safetensors")
    assert "'hidden': [5, 4]" in said and "mlp" in said
    back = load_file(tmp_path / "m.safetensors")
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_a_whole_pickled_module_is_refused_without_being_run(tmp_path):
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    torch.save(Evil(), tmp_path / "w.pt")
    with pytest.raises(ReuseError) as refused:
        convert.convert_file(tmp_path / "w.pt", tmp_path / "m.safetensors")
    assert refused.value.code == "not-weights" and "state_dict" in refused.value.hint and not marker.exists()


@pytest.mark.parametrize(
    ("content", "out", "code"),
    [({"a": 1}, "m.skops", "not-an-estimator"), (b"text", "m.skops", "not-a-pickle"), (b"text", "m.safetensors", "not-weights"), (b"text", "m.exe", "wrong-suffix")],
)
def test_what_can_not_be_converted_says_why(tmp_path, content, out, code):
    path = tmp_path / "m.bin"
    path.write_bytes(content) if isinstance(content, bytes) else joblib.dump(content, path)
    with pytest.raises(ReuseError) as refused:
        convert.convert_file(path, tmp_path / out)
    assert refused.value.code == code and not (tmp_path / out).exists()
