"""moorage merge: checkpoints on this machine, without a market."""

import json
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from moorage import cli
from reuse.weights import statistics


def model(seed):
    generator, start = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(99)
    shapes = {"body.weight": (8, 6), "body.bias": (8,), "head.weight": (3, 8)}
    return {name: torch.randn(shape, generator=start) + 0.1 * (seed > 0) * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.fixture
def files(tmp_path):
    """(one, two, base), as paths."""
    paths = []
    for name, seed in (("one", 1), ("two", 2), ("base", 0)):
        paths.append(tmp_path / f"{name}.safetensors")
        save_file(model(seed), paths[-1])
    return paths


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """run(*words) -> (exit code, stdout, stderr)."""
    def command(*words):
        monkeypatch.setattr(sys, "argv", ["moorage", "merge", *(str(word) for word in words)])
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
        said = capsys.readouterr()
        return code, said.out, " ".join(said.err.split())

    return command


def test_two_become_their_mean(run, files, tmp_path):
    one, two, _ = files
    code, out, err = run(one, two, "-o", tmp_path / "m.safetensors")
    found = load_file(tmp_path / "m.safetensors")
    assert code == 0 and out == "" and "3 tensors" in err and "merge/average" in err
    assert all(torch.allclose(found[name], (a + model(2)[name]) / 2, atol=1e-6) for name, a in model(1).items())


def test_a_program_gets_json(run, files, tmp_path):
    one, two, base = files
    code, out, _ = run(one, two, "-b", base, "-m", "ties", "--params", '{"density": 0.5}', "-o", tmp_path / "m.safetensors", "--json")
    told = json.loads(out)
    assert code == 0 and told["method"] == "merge/ties" and told["models"] == [str(one), str(two)] and told["base"] == str(base)
    assert told["tensors"] == 3 and told["bytes"] == 4 * (48 + 8 + 24) and told["seconds"] >= 0 and told["out"] == str(tmp_path / "m.safetensors")


@pytest.mark.parametrize("method", ["average", "wise-ft", "task-arithmetic", "breadcrumbs", "ties", "dare", "slerp", "tsv", "iso-c", "merge/average"])
def test_every_method_that_the_help_names(run, files, tmp_path, method):
    one, two, base = files
    assert run(one, two, "-b", base, "-m", method, "-o", tmp_path / "m.safetensors")[0] == 0
    assert all(torch.isfinite(value).all() for value in load_file(tmp_path / "m.safetensors").values())


def test_the_help_names_every_merge_that_needs_no_labels(run):
    from reuse import registry

    help_text = cli.app.registered_commands and run("--help")[1]
    assert all(m.name in help_text.replace("\n", " ") for m in registry.every() if m.kind == "merge" and not m.needs_labels)


def test_parameters_are_heard(run, files, tmp_path):
    one, _, base = files
    run(one, "-b", base, "-m", "wise-ft", "--params", '{"alpha": 0.0}', "-o", tmp_path / "m.safetensors")
    assert all(torch.allclose(load_file(tmp_path / "m.safetensors")[name], value, atol=1e-6) for name, value in model(0).items())


def test_statistics_are_read_in_the_models_order(run, files, tmp_path):
    one, two, _ = files
    # The first alone knows the inputs of the body, the second alone those of the head.
    for name, body, head in (("s1", 1.0, 0.0), ("s2", 0.0, 1.0)):
        statistics.write(tmp_path / name, {"gram/body.weight": body * torch.eye(6).numpy(), "gram/head.weight": head * torch.eye(8).numpy()})
    code, _, err = run(one, two, "-m", "regmean", "--statistics", tmp_path / "s1", "--statistics", tmp_path / "s2", "-o", tmp_path / "m.safetensors")
    found = load_file(tmp_path / "m.safetensors")
    assert code == 0, err
    assert torch.allclose(found["body.weight"], model(1)["body.weight"], atol=1e-4) and torch.allclose(found["head.weight"], model(2)["head.weight"], atol=1e-4)


def test_shards_go_into_a_folder(run, files, tmp_path):
    one, two, _ = files
    code, _, _ = run(one, two, "--shard-gb", 1e-7, "-o", tmp_path / "merged")
    assert code == 0 and len(list((tmp_path / "merged").glob("*.safetensors"))) == 3 and (tmp_path / "merged" / "model.safetensors.index.json").is_file()
    code, _, err = run(tmp_path / "merged", tmp_path / "merged" / "model.safetensors.index.json", "-o", tmp_path / "again.safetensors")
    assert code == 0, err


def refused(run, tmp_path, words, *options):
    code, out, err = run(*options, "-o", tmp_path / "out.safetensors")
    assert code == 2 and out == "" and words in err and "Traceback" not in err
    assert "→" in err  # what to do next
    assert not (tmp_path / "out.safetensors").exists() and not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_what_is_there_already_is_not_written_over(run, files, tmp_path):
    one, two, base = files
    before = base.read_bytes()
    code, _, err = run(one, two, "-o", base)
    assert code == 2 and "exists" in err and base.read_bytes() == before


@pytest.mark.parametrize(("params", "words"), [("{", "JSON"), ("[1]", "--params"), ("3", "--params"), ("null", "--params"), ('{"scale": "much"}', "scale"), ('{"scale": [1]}', "scale"), ('{"scale": NaN}', "scale"),
                                               ('{"rate": 1}', "rate")], ids=["broken", "list", "number", "null", "text", "nested", "nan", "unknown"])
def test_parameters_that_are_none_are_refused(run, files, tmp_path, params, words):
    code, _, err = run(files[0], "-b", files[2], "-m", "task-arithmetic", "--params", params, "-o", tmp_path / "out.safetensors")
    assert code == 2 and words in err and not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("method", ["nothing", "ensemble/mean", "finetune/full", "auto"])
def test_a_method_that_is_no_merge_is_refused(run, files, tmp_path, method):
    code, _, err = run(*files[:2], "-m", method, "-o", tmp_path / "out.safetensors")
    assert code == 2 and method in err and not (tmp_path / "out.safetensors").exists()


def test_a_method_that_needs_labels_is_refused(run, files, tmp_path):
    """Greedy soup without labels would be the average by another name."""
    code, _, err = run(*files[:2], "-m", "greedy-soup", "-o", tmp_path / "out.safetensors")
    assert code == 2 and "label" in err and not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("method", ["regmean", "fisher"])
def test_a_method_that_needs_statistics_is_refused_without(run, files, tmp_path, method):
    """So would be these."""
    code, _, err = run(*files[:2], "-m", method, "-o", tmp_path / "out.safetensors")
    assert code == 2 and "statistics" in err and not (tmp_path / "out.safetensors").exists()


def test_statistics_of_some_models_are_refused(run, files, tmp_path):
    statistics.write(tmp_path / "s", {"gram/body.weight": torch.eye(6).numpy()})
    refused(run, tmp_path, "1 for 2", *files[:2], "-m", "regmean", "--statistics", tmp_path / "s")


def test_a_method_that_needs_the_base_says_so(run, files, tmp_path):
    refused(run, tmp_path, "needs the base", *files[:2], "-m", "ties")


def test_models_that_are_none_are_refused(run, files, tmp_path):
    refused(run, tmp_path, "nobody", files[0], tmp_path / "nobody.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    code, _, err = run(files[0], tmp_path / "text.safetensors", "-o", tmp_path / "out.safetensors")
    assert code == 2 and "refused" in err


def test_strangers_are_refused_unless_the_user_insists(run, files, tmp_path):
    odd = {name: torch.randn(value.shape, generator=torch.Generator().manual_seed(5)) for name, value in model(1).items()}
    save_file(odd, tmp_path / "odd.safetensors")
    refused(run, tmp_path, "cosine", files[0], tmp_path / "odd.safetensors")
    assert run(files[0], tmp_path / "odd.safetensors", "--unrelated", "-o", tmp_path / "out.safetensors")[0] == 0


def test_a_full_disk_is_said_and_leaves_nothing(run, files, tmp_path, monkeypatch):
    import errno
    import os

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    refused(run, tmp_path, "no room", *files[:2])


@pytest.mark.parametrize("size", [-1, 0.0000000001])
def test_shards_of_no_size_are_refused(run, files, tmp_path, size):
    code, _, err = run(*files[:2], "--shard-gb", size, "-o", tmp_path / "out")
    assert code == 2 and "shard" in err and not (tmp_path / "out").exists()
