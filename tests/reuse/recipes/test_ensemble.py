"""Ensembles from a plan to a folder: what was fitted is what is loaded."""

from dataclasses import replace

import numpy as np
import pytest

from reuse import ReuseError, predictor, recipes, registry
from tests.journeys import models
from tests.reuse.conftest import plan, rows

ENSEMBLES = [m.address for m in registry.every() if m.kind == "ensemble"]


def fitted(bench, address, **params):
    method = registry.find(address)
    return recipes.fit(bench, method, method.read_params(params), np.arange(len(bench.y)))


def loaded(bench, one, folder):
    return predictor.load(predictor.write(folder / "predictor", bench.plan, one, {}, {}))


@pytest.fixture
def lopsided(labelled):
    """Labels of which members know nothing: most benign ones are called malignant here."""
    target = labelled.target.copy()
    target[np.flatnonzero(target == "benign")[::3]] = "malignant"
    return replace(labelled, target=target)


@pytest.mark.parametrize("address", ENSEMBLES)
def test_what_is_saved_answers_as_what_was_fitted(members, lopsided, unseen, tmp_path, address):
    bench = recipes.Bench(plan(members, address, lopsided, rows=rows(unseen).columns), tmp_path)
    one = fitted(bench, address)
    assert np.allclose(loaded(bench, one, tmp_path).predict(unseen).probabilities, one.free(), atol=1e-6)


@pytest.mark.parametrize("address", ENSEMBLES)
def test_what_was_learned_over_one_member_is_saved_with_it(members, lopsided, unseen, tmp_path, address):
    bench = recipes.Bench(plan(members[:1], address, lopsided, rows=rows(unseen).columns), tmp_path)
    one = fitted(bench, address)
    found = loaded(bench, one, tmp_path)
    answers = found.predict(unseen).probabilities
    if address == "ensemble/vote":  # of one: the member itself is the result, whose choice is the vote
        assert np.array_equal(answers.argmax(axis=1), one.free().argmax(axis=1))
    else:
        assert np.allclose(answers, one.free(), atol=1e-6)


@pytest.mark.parametrize("address", ["ensemble/mean", "ensemble/stacked", "ensemble/hedged"])
def test_a_temperature_is_saved_with_it(members, lopsided, unseen, tmp_path, address):
    bench = recipes.Bench(plan(members, address, lopsided, rows=rows(unseen).columns), tmp_path)
    cool = fitted(bench, address)
    warm = replace(cool, temperature=3.0)
    found = loaded(bench, warm, tmp_path).predict(unseen).probabilities
    wanted = cool.free() ** (1 / 3)
    assert np.allclose(found, wanted / wanted.sum(axis=1, keepdims=True), atol=1e-3) and not np.allclose(found, cool.free(), atol=0.01)


def test_members_that_are_not_needed_are_not_in_the_folder(members, labelled, tmp_path):
    bench = recipes.Bench(plan(members, "ensemble/selected", labelled), tmp_path)
    one = fitted(bench, "ensemble/selected")
    found = loaded(bench, one, tmp_path)
    assert len(found.manifests) == 1 and [m.reference for m in one.used] == [found.document["members"][0]["reference"]] and found.document["kind"] == "single"


def test_the_answers_for_all_rows_stand_in_the_order_of_the_rows(members, labelled, tmp_path):
    bench = recipes.Bench(plan(members, "ensemble/routed", labelled), tmp_path)
    one = fitted(bench, "ensemble/routed")
    order = np.array([5, 3, 40])
    assert np.array_equal(one.predict(np.arange(60))[order], one.predict(order))
    assert np.allclose(one.free(), one.predict(np.arange(60)))  # without other rows the labelled ones are the free ones


def test_without_labels_what_must_learn_says_so(members, tmp_path):
    bench = recipes.Bench(plan(members, "ensemble/stacked"), tmp_path)
    for address in ("ensemble/stacked", "ensemble/pruned", "ensemble/selected", "ensemble/adjusted", "ensemble/augmented"):
        with pytest.raises(ReuseError) as refused:
            recipes.fit(bench, registry.find(address), registry.find(address).read_params({}), None)
        assert refused.value.code == "labels-needed" and refused.value.hint


def test_free_rows_are_those_that_came_else_the_labelled_else_the_requirements_points(members, labelled, unseen, tmp_path):
    with_rows = recipes.Bench(plan(members, "auto", labelled, rows=rows(unseen).columns), tmp_path)
    assert len(with_rows.free_X) == len(unseen) and len(with_rows.X) == 60 and with_rows.free_crowd.outputs[0].shape == (len(unseen), 2)
    assert np.array_equal(recipes.Bench(plan(members, "auto", labelled), tmp_path).free_X, with_rows.X)
    blind = recipes.Bench(plan(members, "auto"), tmp_path)
    assert np.allclose(blind.free_X, blind.plan.requirement.points, atol=1e-4)
    nothing = recipes.Bench(plan(members, "auto", requirement=None), tmp_path)
    assert np.allclose(nothing.free_X, np.concatenate([m.rkme.points for m in members]), atol=1e-4)


def test_labelled_and_free_rows_are_answered_alike_together_and_alone(members, labelled, unseen, tmp_path):
    together = recipes.Bench(plan(members, "auto", labelled, rows=rows(unseen).columns), tmp_path)
    alone = recipes.Bench(plan(members, "auto", labelled), tmp_path)
    assert all(np.allclose(a, b) for a, b in zip(together.crowd.outputs, alone.crowd.outputs, strict=True))


def test_a_note_is_told_once(members, tmp_path):
    bench = recipes.Bench(plan(members, "auto"), tmp_path)
    bench.note("mind the gap")
    bench.note("mind the gap")
    assert bench.notes == ["mind the gap"]


def test_members_of_different_classes_are_aligned_by_name(make, tmp_path, labelled):
    """One of them was offered with its classes in another order; both give the same answers."""
    one = make("ordered", 0, 1, "safetensors", 0.5)
    document = one.manifest.to_json()
    turned = replace(one, reference="alice/turned@1.0.0", manifest=type(one.manifest).read(document | {"output": document["output"] | {"classes": list(reversed(models.CLASSES))}}))
    bench = recipes.Bench(plan([one, turned], "ensemble/mean", labelled), tmp_path)
    assert np.allclose(bench.crowd.outputs[0], bench.crowd.outputs[1][:, ::-1])
