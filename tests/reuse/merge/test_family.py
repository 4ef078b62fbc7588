"""Merging files: who may be merged with whom, and what comes out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reuse import ReuseError, registry
from reuse import family as kin
from reuse.formats import safetensors
from reuse.manifest import Manifest
from reuse.weights import merging
from tests.reuse.conftest import stored


def changed(member, **changes):
    return replace(member, manifest=Manifest.read(member.manifest.to_json() | changes))


def merged(tmp_path, tuned, base, address, **params):
    checkpoints = kin.opened([*tuned, *([base] if base else [])], tuned[0])
    path = tmp_path / "merged.safetensors"
    merging.merge(checkpoints[: len(tuned)], checkpoints[-1] if base else None, address, registry.find(address).read_params(params), path)
    return safetensors.state(path)


def refused(code):
    return pytest.raises(ReuseError, check=lambda error: error.code == code and bool(error.hint))


def test_the_average_of_two_files_is_the_mean_of_their_tensors(family, tmp_path):
    base, tuned = family
    found = merged(tmp_path, tuned, base, "merge/average")
    one, two = (safetensors.state(member.path) for member in tuned)
    assert all(torch.allclose(found[name], (one[name] + two[name]) / 2, atol=1e-6) for name in one)


def test_wise_ft_at_nought_is_the_base_and_at_one_the_tuned(family, tmp_path):
    base, tuned = family
    start, end = safetensors.state(base.path), safetensors.state(tuned[0].path)
    for alpha, wanted in ((0.0, start), (1.0, end)):
        found = merged(tmp_path, tuned[:1], base, "merge/wise-ft", alpha=alpha)
        assert all(torch.allclose(found[name], wanted[name], atol=1e-6) for name in wanted)


def test_a_head_of_other_class_order_is_put_in_order_by_name(family, tmp_path):
    base, (one, two) = family
    output = two.manifest.output | {"classes": list(reversed(two.manifest.classes))}
    found = merged(tmp_path, [one, changed(two, output=output)], None, "merge/average")
    a, b = safetensors.state(one.path), safetensors.state(two.path)
    assert torch.allclose(found["head.weight"], (a["head.weight"] + b["head.weight"].flip(0)) / 2, atol=1e-6)
    assert torch.allclose(found["head.bias"], (a["head.bias"] + b["head.bias"].flip(0)) / 2, atol=1e-6)
    assert torch.allclose(found["body.0.weight"], (a["body.0.weight"] + b["body.0.weight"]) / 2, atol=1e-6)


def test_a_base_of_other_class_order_is_put_in_order_too(family, tmp_path):
    """Three classes: then an order and its reverse are not all there is."""
    config, generator = {"inputs": 10, "outputs": 3}, torch.Generator().manual_seed(0)
    state = {"head.weight": torch.randn(3, 10, generator=generator), "head.bias": torch.randn(3, generator=generator)}
    order = [2, 0, 1]
    base = stored(tmp_path, "b", {name: value[order] for name, value in state.items()}, config, architecture="linear", classes=["c", "a", "b"])
    tuned = stored(tmp_path, "t", state, config, architecture="linear", classes=["a", "b", "c"], base={"learnware": base.reference})
    found = merged(tmp_path, [tuned], base, "merge/task-arithmetic", scale=5.0)  # the same model under another order has learned nothing
    assert all(torch.allclose(found[name], value, atol=1e-5) for name, value in state.items())


def regressor(folder, name, location, scale, base=None, factor=1.0):
    """A linear model of values that answers the same whatever its location and scale, times `factor`."""
    generator = torch.Generator().manual_seed(0)
    W, b = factor * torch.randn(1, 10, generator=generator), factor * torch.randn(1, generator=generator)
    state = {"head.weight": W / scale, "head.bias": (b - location) / scale}
    return stored(folder, name, state, {"inputs": 10, "outputs": 1, "output_location": location, "output_scale": scale}, architecture="linear", base=base, classes=None)


def answers(path, member, X):
    return safetensors.load(path, member.manifest)(X)


def test_a_model_with_itself_on_another_scale_answers_as_before(tmp_path, random):
    X = random.normal(size=(30, 10))
    base = regressor(tmp_path, "r0", 3.0, 2.0)
    one, two = regressor(tmp_path, "r1", 3.0, 2.0, {"learnware": base.reference}), regressor(tmp_path, "r2", -70.0, 0.25, {"learnware": base.reference})
    assert np.allclose(answers(one.path, one, X), answers(two.path, two, X), atol=1e-4)
    for first, second in ((one, two), (two, one)):
        merged(tmp_path, [first, second], None, "merge/average")
        assert np.allclose(answers(tmp_path / "merged.safetensors", first, X), answers(first.path, first, X), atol=1e-3)


def test_a_base_on_another_scale_is_brought_to_the_members(tmp_path, random):
    X = random.normal(size=(30, 10))
    base = regressor(tmp_path, "r0", -5.0, 10.0)
    tuned = regressor(tmp_path, "r1", 3.0, 2.0, {"learnware": base.reference}, factor=2.0)
    merged(tmp_path, [tuned], base, "merge/wise-ft", alpha=0.25)
    assert np.allclose(answers(tmp_path / "merged.safetensors", tuned, X), 0.75 * answers(base.path, base, X) + 0.25 * answers(tuned.path, tuned, X), atol=1e-3)


def test_the_base_among_the_members_is_found_and_not_merged(family):
    base, tuned = family
    found, origin = kin.split([tuned[0], base, tuned[1]], None, True)
    assert origin.reference == base.reference and [m.reference for m in found] == [m.reference for m in tuned]


def test_a_base_may_be_named_by_its_digest(family):
    base, tuned = family
    named = [changed(member, base={"sha256": base.manifest.model["sha256"]}) for member in tuned]
    assert kin.split(named, base, True) == (named, base) and kin.split([*named, base], None, True) == (named, base)


@pytest.mark.parametrize(
    ("change", "code"),
    [({"base": None}, "other-base"), ({"base": {"learnware": "bob/other@1.0.0"}}, "other-base"),
     ({"output": {"kind": "classes", "target": "diagnosis", "classes": ["benign", "cyst"]}}, "other-classes")],
)
def test_strangers_are_not_merged(family, change, code):
    base, (one, two) = family
    for given in (base, None):
        with refused(code):
            kin.split([one, changed(two, **change)], given, given is not None)


@pytest.mark.parametrize(("name", "config"), [("mlp", {"inputs": 10, "hidden": [7], "outputs": 2}), ("mlp", {"inputs": 10, "hidden": [6], "outputs": 2, "activation": "tanh"}),
                                              ("linear", {"inputs": 10, "outputs": 2})], ids=["width", "activation", "kind"])
def test_other_architectures_are_not_merged(family, name, config):
    base, (one, two) = family
    other = changed(two, model=two.manifest.model | {"architecture": {"name": name, "config": config}})
    with refused("other-family"):
        kin.split([one, other], base, True)
    with refused("other-family"):
        kin.split([changed(one, base={"learnware": "alice/m2@1.0.0"})], other, True)


def test_a_method_that_needs_the_base_says_so(family):
    with refused("no-base"):
        kin.split(family[1], None, True)


def test_the_base_alone_is_nothing_to_merge(family):
    base, _ = family
    with pytest.raises(ReuseError) as said:
        kin.split([base], base, True)
    assert said.value.code == "nothing-to-merge"


def test_other_formats_are_sent_to_ensembles(family, members):
    with refused("not-mergeable") as said:
        kin.split([family[1][0], members[0]], None, False)
    assert "ensemble" in said.value.hint


def test_a_lie_about_the_base_is_found_by_the_weights(family, tmp_path):
    """It names the base that all name, and its weights say otherwise."""
    base, (one, two) = family
    generator = torch.Generator().manual_seed(77)
    state = {name: torch.randn(value.shape, generator=generator) for name, value in safetensors.state(two.path).items()}
    liar = stored(tmp_path, "liar", state, two.manifest.model["architecture"]["config"], base=two.manifest.base)
    tuned, origin = kin.split([one, liar], base, True)
    checkpoints = kin.opened([*tuned, origin], tuned[0])
    with refused("other-base") as said:
        merging.akin(checkpoints[:2], checkpoints[2])
    assert "alice/liar@1.0.0" in str(said.value)


def test_a_head_of_other_class_order_does_not_look_like_a_lie(family):
    base, (one, two) = family
    output = two.manifest.output | {"classes": list(reversed(two.manifest.classes))}
    merging.akin(kin.opened([one, changed(two, output=output)], one), None)


def test_a_file_that_does_not_fit_its_architecture_is_refused(family):
    _, (one, _) = family
    lie = one.manifest.model | {"architecture": {"name": "mlp", "config": {"inputs": 10, "hidden": [6], "outputs": 3}}}
    with refused("signature-lies"):
        kin.opened([changed(one, model=lie)], one)


def test_the_members_are_called_by_their_references(family):
    base, tuned = family
    assert [checkpoint.label for checkpoint in kin.opened([*tuned, base], tuned[0])] == ["alice/m1@1.0.0", "alice/m2@1.0.0", "alice/m0@1.0.0"]
