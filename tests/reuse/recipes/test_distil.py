"""One network in the place of an ensemble: what it was taught by, and how much of it was lost."""

import numpy as np
import pytest

from reuse import ReuseError, engine, predictor, recipes, registry
from tests.journeys import models
from tests.reuse.conftest import accuracy, plan, rows


@pytest.fixture
def quick(members):
    return {"params": {"epochs": 30, "hidden": 16, "layers": 1}}


def test_the_agreement_is_told_with_both_scores(members, labelled, unseen, tmp_path, quick, plain_scratch):
    outcome = engine.run(plan(members, "distil", labelled, rows=rows(unseen).columns, **quick), workdir=tmp_path)
    told = outcome.evidence["distilled"]
    assert told["teacher"] in {m.address for m in registry.every()} and told["rows"] == len(unseen) and 0.8 < told["agreement"] <= 1
    assert told["held"] == len(unseen) // 5 and 0.8 < told["score"] <= 1 and 0.8 < told["teacher_score"] <= 1 and outcome.evidence["learning"]
    found = predictor.load(outcome.folder)
    assert len(found.manifests) == 1 and told["parameters"] == sum(int(np.prod(t["shape"])) for t in shapes(found))
    assert accuracy(found.predict(unseen), unseen) > 0.8
    assert {m["reference"] for m in outcome.lineage["members"]} <= {m.reference for m in members}


def shapes(found):
    from reuse.formats import safetensors

    return safetensors.tensors(found.folder / found.document["members"][0]["file"])


def test_without_labels_there_is_an_agreement_and_no_score(members, unseen, tmp_path, quick):
    outcome = engine.run(plan(members, "distil", rows=rows(unseen).columns, **quick), workdir=tmp_path)
    told = outcome.evidence["distilled"]
    assert told["agreement"] > 0.8 and "score" not in told and not any("--rows" in words for words in outcome.evidence["warnings"])


def test_taught_on_few_points_it_says_that_rows_would_help(members, tmp_path, quick):
    outcome = engine.run(plan(members, "distil", **quick), workdir=tmp_path)
    assert any("--rows" in words for words in outcome.evidence["warnings"])


def test_another_ensemble_can_be_the_teacher(members, unseen, tmp_path):
    bench = recipes.Bench(plan(members, "distil", rows=rows(unseen).columns), tmp_path)
    method = registry.find("distil")
    one = recipes.fit(bench, method, method.read_params({"of": "ensemble/mean", "epochs": 20}), None)
    assert one.facts["distilled"]["teacher"] == "ensemble/mean"
    mean = recipes.fit(bench, registry.find("ensemble/mean"), {}, None)
    assert (one.free().argmax(axis=1) == mean.free().argmax(axis=1)).mean() > 0.85


@pytest.mark.parametrize(("given", "code"), [({"of": "merge/average"}, "wrong-parameter"), ({"of": "ensemble/nobody"}, "unknown-method"), ({"of": "distil"}, "wrong-parameter"),
                                             ({"temperature": 0.0}, "wrong-parameter"), ({"epochs": 0}, "wrong-parameter"), ({"hidden": 0}, "wrong-architecture")], ids=str)
def test_a_teacher_or_setting_that_is_none_is_refused(members, unseen, tmp_path, given, code):
    bench = recipes.Bench(plan(members, "distil", rows=rows(unseen).columns), tmp_path)
    method = registry.find("distil")
    with pytest.raises(ReuseError) as refused:
        recipes.fit(bench, method, method.read_params(given), None)
    assert refused.value.code == code


def test_rows_too_few_to_teach_are_refused(members, tmp_path):
    frame = models.part(0, 1).head(12)
    with pytest.raises(ReuseError) as refused:
        engine.run(plan(members, "distil", rows=rows(frame).columns), workdir=tmp_path)
    assert refused.value.code == "too-few-rows"
