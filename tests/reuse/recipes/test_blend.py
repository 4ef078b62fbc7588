"""A blend from its parts to a folder."""

from dataclasses import replace

import numpy as np
import pytest

from reuse import ReuseError, auto, predictor, recipes, registry
from reuse.recipes.blend import Blend
from tests.reuse.conftest import plan, rows


@pytest.fixture
def bench(grown, labelled, unseen, tmp_path, plain_scratch):
    base, tuned = grown
    return recipes.Bench(plan(tuned, "auto", labelled, base=base, rows=rows(unseen).columns), tmp_path)


SHARES = {"ensemble/routed": 0.4, "merge/average": 0.25, "scratch": 0.2, "ensemble/stacked": 0.15}


def blended(bench, shares=SHARES):
    return auto.fit(bench, shares, np.arange(60))


def alone(bench, address):
    method = registry.find(address)
    return recipes.fit(bench, method, method.read_params({}), np.arange(60))


def test_its_answer_is_the_weighted_sum_of_its_parts(bench):
    one = blended(bench)
    parts = {address: alone(bench, address) for address in SHARES}
    assert np.allclose(one.free(), sum(share * parts[address].free() for address, share in SHARES.items()))
    assert np.allclose(one.predict(np.array([4, 2])), sum(share * parts[address].predict(np.array([4, 2])) for address, share in SHARES.items()))
    assert np.allclose(one.free().sum(axis=1), 1)


def test_one_part_alone_is_that_method(bench):
    one = auto.fit(bench, {"merge/average": 1.0}, np.arange(60))
    assert not isinstance(one, Blend) and np.allclose(one.free(), alone(bench, "merge/average").free())


def test_who_is_used_is_said_once_in_the_plans_order(bench):
    assert [m.reference for m in blended(bench).used] == ["alice/g1@1.0.0", "alice/g2@1.0.0", "alice/g0@1.0.0"]
    assert [m.reference for m in blended(bench, {"scratch": 0.5, "ensemble/best-single": 0.5}).used] != []


@pytest.mark.parametrize("shares", [SHARES, {"scratch": 0.5, "merge/average": 0.5}, {"ensemble/pruned": 0.6, "ensemble/hedged": 0.4}, {"ensemble/adjusted": 0.5, "ensemble/vote": 0.3, "merge/tsv": 0.2}], ids="+".join)
@pytest.mark.parametrize("temperature", [None, 2.0])
def test_what_is_saved_answers_as_what_was_fitted(bench, unseen, tmp_path, shares, temperature):
    one = replace(blended(bench, shares), temperature=temperature)
    found = predictor.load(predictor.write(tmp_path / "predictor", bench.plan, one, {}, {}))
    assert np.allclose(found.predict(unseen).probabilities, one.free(), atol=1e-6)


def test_members_are_in_the_folder_only_where_an_ensemble_needs_them(bench, tmp_path):
    one = blended(bench, {"scratch": 0.5, "merge/average": 0.5})
    assert len(predictor.load(predictor.write(tmp_path / "predictor", bench.plan, one, {}, {})).manifests) == 2


def test_blends_of_values(valued, tmp_path, plain_scratch):
    from reuse.engine import Labelled

    base, tuned, changes, (columns, y) = valued
    part = {name: values[:60] for name, values in columns.items()}
    bench = recipes.Bench(plan(tuned, "auto", Labelled(part, y[:60]), base=base, **changes), tmp_path)
    one = blended(bench, {"ensemble/vote": 0.5, "merge/average": 0.3, "scratch": 0.2})
    found = predictor.load(predictor.write(tmp_path / "predictor", bench.plan, one, {}, {}))
    assert np.allclose(found.predict(part).values, one.predict(np.arange(60)), rtol=1e-6)


@pytest.mark.parametrize("change", [
    {"parts": []}, {"parts": "all"}, {"parts": [3]}, {"share": 1.5}, {"share": -0.1}, {"share": True}, {"share": None}, {"members": []}, {"members": [9]}, {"members": [-1]}, {"members": [True]},
    {"combine": {"method": "blend", "params": {}, "state": None, "parts": []}}, {"combine": {"method": "merge/average", "params": {}, "state": None}}, {"combine": None}, {"temperature": 0.0},
], ids=str)
def test_a_document_that_was_tampered_with_is_refused(bench, tmp_path, change):
    import json

    folder = predictor.write(tmp_path / "predictor", bench.plan, blended(bench), {}, {})
    document = json.loads((folder / "predictor.json").read_text())
    if set(change) <= {"parts", "temperature"}:
        document["combine"] |= change
    else:
        document["combine"]["parts"][0] |= change
    (folder / "predictor.json").write_text(json.dumps(document))
    with pytest.raises(ReuseError) as refused:
        predictor.load(folder)
    assert refused.value.code == "wrong-predictor"
