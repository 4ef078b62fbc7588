"""A plan in, a predictor with its evidence out."""

import json

import numpy as np
import pytest

from reuse import ReuseError, auto, engine, evidence, predictor, registry
from reuse.engine import Labelled
from reuse.errors import Cancelled
from tests.journeys import models
from tests.reuse.conftest import accuracy, plan

# Auto has a file of its own.
WITHOUT_FAMILY = [m.address for m in registry.every() if not m.needs_family and m.address != "auto"]
MERGES = [m for m in registry.every() if m.needs_family]
OF_VALUES = [m.address for m in registry.every() if m.kind in ("ensemble", "merge") or m.address in ("finetune/head", "finetune/wise-ft", "scratch", "distil")]


@pytest.mark.parametrize("address", WITHOUT_FAMILY)
def test_every_method_gives_a_predictor_that_works(members, labelled, unseen, tmp_path, monkeypatch, request, address):
    monkeypatch.setattr(evidence, "fold_count", lambda n: 3)
    if address != "scratch":
        request.getfixturevalue("plain_scratch")
    outcome = engine.run(plan(members, address, labelled), workdir=tmp_path)
    found = predictor.load(outcome.folder).predict(unseen)
    assert accuracy(found, unseen) > 0.8
    assert {row["method"] for row in outcome.evidence["leaderboard"]} == {address, "ensemble/best-single", "scratch"} and outcome.evidence["rows"] == 60
    assert outcome.lineage["method"] == address and outcome.evidence["calibration"]["error"] >= 0 and outcome.evidence["details"]["confusion"]
    json.dumps(outcome.lineage)


@pytest.mark.parametrize("method", MERGES, ids=lambda m: m.address)
def test_every_merge_gives_a_predictor_that_answers_as_the_merged_model(family, tmp_path, method):
    base, tuned = family
    made = plan(tuned, method.address, base=base)
    if method.needs_labels:
        with pytest.raises(ReuseError) as refused:
            engine.run(made, workdir=tmp_path)
        assert refused.value.code == "labels-needed"
        return
    outcome = engine.run(made, workdir=tmp_path)
    found = predictor.load(outcome.folder).predict(models.part(0, 1).head(40))
    assert found.probabilities.shape == (40, 2) and np.allclose(found.probabilities.sum(axis=1), 1)
    assert [m["reference"] for m in outcome.lineage["members"]] == [m.reference for m in (*tuned, base)]


@pytest.mark.parametrize("method", MERGES, ids=lambda m: m.address)
def test_every_merge_is_judged_with_labels(grown, labelled, unseen, tmp_path, plain_scratch, method):
    base, tuned = grown
    outcome = engine.run(plan(tuned, method.address, labelled, base=base), workdir=tmp_path)
    assert accuracy(predictor.load(outcome.folder).predict(unseen), unseen) > 0.85
    assert {row["method"] for row in outcome.evidence["leaderboard"]} == {method.address, "ensemble/best-single", "scratch"}
    module = __import__(method.module, fromlist=["SWEEP"])
    assert ("curve" in outcome.evidence) == hasattr(module, "SWEEP")


def test_the_curve_of_wise_ft_is_in_the_evidence(grown, labelled, tmp_path, plain_scratch):
    base, tuned = grown
    outcome = engine.run(plan(tuned[:1], "merge/wise-ft", labelled, base=base), workdir=tmp_path)
    curve = outcome.evidence["curve"]
    assert curve["parameter"] == "alpha" and [p["value"] for p in curve["points"]] == pytest.approx(np.arange(11) / 10) and curve["rows"] == 60
    assert all(p["low"] - 1e-12 <= p["score"] <= p["high"] + 1e-12 for p in curve["points"]) and outcome.lineage["params"] == {"alpha": curve["chosen"]}
    assert json.loads((outcome.folder / "predictor.json").read_text())["evidence"]["curve"] == curve


def test_the_base_among_the_members_serves_a_merge(grown, tmp_path):
    base, tuned = grown
    alone = engine.run(plan([tuned[0], base, tuned[1]], "merge/ties"), workdir=tmp_path / "a")
    named = engine.run(plan(tuned, "merge/ties", base=base), workdir=tmp_path / "b")
    files = [next(outcome.folder.rglob("model.safetensors")).read_bytes() for outcome in (alone, named)]
    assert files[0] == files[1]


@pytest.mark.parametrize("address", OF_VALUES)
def test_every_method_that_knows_values_gives_a_predictor_of_values(valued, tmp_path, monkeypatch, request, address):
    monkeypatch.setattr(evidence, "fold_count", lambda n: 2)
    if address != "scratch":
        request.getfixturevalue("plain_scratch")
    base, tuned, changes, (columns, y) = valued
    data = Labelled({name: values[:48] for name, values in columns.items()}, y[:48])
    outcome = engine.run(plan(tuned, address, data, base=base, **changes), workdir=tmp_path)
    answered = predictor.load(outcome.folder).predict({name: values[48:] for name, values in columns.items()}).values
    assert np.sqrt(((answered - y[48:]) ** 2).mean()) < 0.6 * y.std()
    assert outcome.evidence["metric"] == "rmse" and outcome.evidence["calibration"] is None and outcome.evidence["details"]["residuals"]["r2"] is not None


def test_without_labels_auto_hedges_and_says_what_it_did_not_measure(members, unseen, tmp_path):
    outcome = engine.run(plan(members, "auto"), workdir=tmp_path)
    assert outcome.lineage["method"] == "ensemble/hedged"
    assert outcome.evidence["leaderboard"] == [] and "verified" in outcome.evidence["warnings"][0] and 0 < outcome.evidence["coverage"] <= 1
    assert accuracy(predictor.load(outcome.folder).predict(unseen), unseen) > 0.8


def test_a_requirement_far_from_all_members_is_warned_of(make, tmp_path):
    frame = models.part(0, 1).copy()
    columns = [name for name in frame if name != models.TARGET]
    frame[columns] = frame[columns] * 10
    import specs

    requirement = specs.describe(frame, models.space(), points=30)
    outcome = engine.run(plan([make("lonely", 0, 0.5)], "auto", requirement=requirement), workdir=tmp_path)
    assert outcome.evidence["coverage"] < 0.5 and any("guesses" in words for words in outcome.evidence["warnings"])


def test_the_same_plan_gives_the_same_bytes(members, labelled, tmp_path, plain_scratch):
    def packed(name):
        outcome = engine.run(plan(members, "ensemble/stacked", labelled), workdir=tmp_path / name)
        return {p.name: p.read_bytes() for p in outcome.folder.rglob("*") if p.is_file() and p.name not in ("predictor.json", "card.md")}, outcome.lineage

    assert packed("one") == packed("two")


def test_the_same_merge_gives_the_same_bytes(grown, labelled, tmp_path, plain_scratch):
    base, tuned = grown
    files = []
    for name in ("one", "two"):
        outcome = engine.run(plan(tuned, "merge/dare", labelled, base=base), workdir=tmp_path / name)
        files.append(next(outcome.folder.rglob("model.safetensors")).read_bytes())
    assert files[0] == files[1]


def test_progress_is_told_and_a_cancelled_plan_stops(members, labelled, tmp_path, plain_scratch):
    heard = []
    engine.run(plan(members, "ensemble/routed", labelled), progress=lambda *said: heard.append(said), workdir=tmp_path / "one")
    assert [done for _, done, _ in heard] == sorted(done for _, done, _ in heard) and heard[-1][1] == 1.0
    with pytest.raises(Cancelled):
        engine.run(plan(members, "ensemble/routed", labelled), cancelled=lambda: True, workdir=tmp_path / "two")
    assert not (tmp_path / "two" / "predictor").exists()


def test_learning_curves_are_heard_and_kept(grown, labelled, tmp_path, monkeypatch, plain_scratch):
    monkeypatch.setattr(evidence, "fold_count", lambda n: 2)
    heard = []
    outcome = engine.run(plan(grown[1], "finetune/head", labelled, params={"epochs": 4}), seen=lambda *said: heard.append(said), workdir=tmp_path)
    assert {name for name, _ in heard} == {"finetune/head"} and [row for _, row in heard] == outcome.evidence["learning"] and outcome.evidence["start"] in {m.reference for m in grown[1]}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"address": "merge/average"}, "not-mergeable"),
        ({"address": "ensemble/stacked"}, "labels-needed"),
        ({"address": "scratch"}, "labels-needed"),
        ({"address": "finetune/head"}, "labels-needed"),
        ({"address": "ensemble/nothing"}, "unknown-method"),
        ({"address": "ensemble/routed", "params": {"sharpness": "very"}}, "wrong-parameter"),
        ({"address": "ensemble/routed", "params": {"sharp": 1.0}}, "unknown-parameter"),
        ({"address": "ensemble/routed", "members": []}, "no-members"),
    ],
)
def test_a_plan_that_can_not_be_done_says_why(members, tmp_path, change, code):
    wanted = {"members": members} | change
    with pytest.raises(ReuseError) as refused:
        engine.run(plan(**wanted), workdir=tmp_path)
    assert refused.value.code == code and not (tmp_path / "predictor").exists()


@pytest.mark.parametrize("change", [{"address": "merge/task-arithmetic"}, {"address": "merge/average"}])
def test_strangers_are_not_merged_and_the_reason_is_told(members, labelled, tmp_path, change):
    with pytest.raises(ReuseError) as refused:
        engine.run(plan(members, data=labelled, **change), workdir=tmp_path)
    assert refused.value.code == "not-mergeable" and "ensemble" in refused.value.hint


def test_a_member_alone_can_be_reused(members, labelled, unseen, tmp_path, monkeypatch):
    monkeypatch.setattr(auto, "ORDER", tuple(address for address in auto.ORDER if not address.startswith("finetune/")))
    outcome = engine.run(plan(members[:1], "auto", labelled, params={"nested": False, "repeats": 1}), workdir=tmp_path)
    assert outcome.evidence["leaderboard"] and accuracy(predictor.load(outcome.folder).predict(unseen), unseen) > 0.8
