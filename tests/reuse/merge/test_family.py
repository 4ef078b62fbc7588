"""Merging files: who may be merged with whom, and what comes out."""

from dataclasses import replace

import pytest
import torch

from reuse import ReuseError, registry
from reuse import family as merging
from reuse.formats import safetensors
from reuse.manifest import Manifest


def changed(member, **changes):
    return replace(member, manifest=Manifest.read(member.manifest.to_json() | changes))


def merged(tmp_path, tuned, base, address, **params):
    from importlib import import_module

    method = registry.find(address)
    path = tmp_path / "merged.safetensors"
    merging.merge(tuned, base, import_module(method.module).merge, method.read_params(params), path)
    return safetensors.state(path)


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


def test_the_base_among_the_members_is_found_and_not_merged(family):
    base, tuned = family
    found, origin = merging.split([tuned[0], base, tuned[1]], None, True)
    assert origin.reference == base.reference and [m.reference for m in found] == [m.reference for m in tuned]


@pytest.mark.parametrize(
    ("change", "code"),
    [({"base": None}, "other-base"), ({"base": {"learnware": "bob/other@1.0.0"}}, "other-base"),
     ({"output": {"kind": "classes", "target": "diagnosis", "classes": ["benign", "cyst"]}}, "other-classes")],
)
def test_strangers_are_not_merged(family, change, code):


    base, (one, two) = family
    with pytest.raises(ReuseError) as refused:
        merging.split([one, changed(two, **change)], base, True)
    assert refused.value.code == code and refused.value.hint


def test_a_method_that_needs_the_base_says_so(family):


    with pytest.raises(ReuseError) as refused:
        merging.split(family[1], None, True)
    assert refused.value.code == "no-base"


def test_other_formats_are_sent_to_ensembles(family, members):


    with pytest.raises(ReuseError) as refused:
        merging.split([family[1][0], members[0]], None, False)
    assert refused.value.code == "not-mergeable" and "ensemble" in refused.value.hint
