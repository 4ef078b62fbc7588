"""Auto: which method is chosen, by what rule, in what time, and what is told of it."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import specs
from reuse import ReuseError, auto, engine, evidence, predictor, recipes, registry
from reuse.engine import Labelled, Member
from reuse.errors import Cancelled
from reuse.manifest import Manifest
from tests.journeys import models
from tests.reuse.conftest import accuracy, plan, rows

SLOW = ("finetune/bang", "finetune/full")
QUICK = ("ensemble/routed", "ensemble/mean", "ensemble/best-single", "ensemble/selected", "scratch")


@pytest.fixture
def quick(monkeypatch, plain_scratch):
    """Five methods that take no time."""
    monkeypatch.setattr(auto, "ORDER", QUICK)


@pytest.fixture
def bench(members, labelled, tmp_path):
    return recipes.Bench(plan(members, "auto", labelled), tmp_path)


@pytest.fixture(scope="module")
def outcome(members, labelled, tmp_path_factory):
    """All there is to try but the slowest two, once for all who look at it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auto, "ORDER", tuple(address for address in auto.ORDER if address not in SLOW))
        return engine.run(plan(members, "auto", labelled, params={"repeats": 1}), workdir=tmp_path_factory.mktemp("auto"))


def judged(found):
    """The methods that have a line of their own, beside the blend of them."""
    return {row["method"] for row in found["leaderboard"]} - {auto.ADDRESS}


# -- the choice -------------------------------------------------------------------------------


def test_it_chooses_by_the_table_it_shows(outcome, unseen):
    board = outcome.evidence["leaderboard"]
    assert {"ensemble/best-single", "ensemble/routed", "scratch", "finetune/wise-ft"} <= {row["method"] for row in board}
    assert [row["score"] for row in board] == sorted((row["score"] for row in board), reverse=True) and sum(row["chosen"] for row in board) == 1
    chosen = next(row for row in board if row["chosen"])
    assert outcome.lineage["method"] == chosen["method"] and chosen["loss"] <= min(row["loss"] for row in board) * 1.5
    assert all(row["low"] <= row["score"] <= row["high"] for row in board)
    assert "cross-validation" in outcome.evidence["rule"] and outcome.evidence["rows"] == 60
    if chosen["method"] == "blend":
        shares = outcome.evidence["shares"]
        assert sum(shares.values()) == pytest.approx(1) and list(shares.values()) == sorted(shares.values(), reverse=True) and set(shares) <= {row["method"] for row in board}
        assert outcome.lineage["params"]["shares"] == pytest.approx(shares, abs=1e-4)
    assert accuracy(predictor.load(outcome.folder).predict(unseen), unseen) > 0.85
    json.dumps(outcome.evidence, allow_nan=False)


def test_every_method_of_the_order_is_judged_or_left_out_with_a_reason(outcome):
    board, left = judged(outcome.evidence), outcome.evidence["left_out"]
    assert board | set(left) == set(auto.ORDER) - set(SLOW) and not board & set(left)
    assert all(left[address] for address in left) and {address for address in auto.ORDER if address.startswith("merge/")} <= set(left)


def test_what_it_is_worth_is_measured_on_rows_that_chose_nothing(outcome, unseen):
    nested, found = outcome.evidence["nested"], predictor.load(outcome.folder)
    truth = accuracy(found.predict(unseen), unseen)
    assert nested["low"] <= truth <= nested["high"] and abs(nested["score"] - truth) < 0.1
    assert nested["rows"] == 60 and nested["folds"] == 5 == sum(nested["picks"].values()) and set(nested["picks"]) <= {*auto.ORDER, auto.ADDRESS}


def test_every_method_that_is_ordered_exists_and_yardsticks_are_among_them():
    assert set(auto.ORDER) <= {m.address for m in registry.every()} and len(set(auto.ORDER)) == len(auto.ORDER) and set(auto.YARDSTICKS) <= set(auto.ORDER)
    assert auto.UNLABELLED in auto.ORDER


def board_of(losses):
    board = auto.Board(1)
    for address, values in losses.items():
        board.losses[address] = np.array(values, float)
        board.rows[address] = {"loss": float(np.mean(values))}
    return board


def test_the_simplest_within_one_standard_error_is_taken():
    # Against the best, the simple one loses .1 in the mean: a difference of (0, 0, 0, .4), standard error .2 / 2 = .1.
    losses = {"simple": [0, 0, 0, 0.4], "best": [0, 0, 0, 0], "complex": [0, 0, 0, 0]}
    assert board_of(losses).pick(1.01) == "simple" and board_of(losses).pick(0.99) == "best"
    # Twice as bad everywhere by the same: no error at all, so it is worse.
    assert board_of({"simple": [0.2] * 4, "best": [0.1] * 4}).pick(1.0) == "best"
    # Pairs count: both vary alike, so a small difference is certain.
    assert board_of({"simple": [1.1, 2.1, 3.11, 4.1], "best": [1, 2, 3, 4]}).pick(1.0) == "best"


def test_without_tolerance_the_best_is_taken_and_of_equals_the_simplest():
    assert board_of({"simple": [0.3, 0.1], "best": [0.1, 0.2]}).pick(0.0) == "best"
    assert board_of({"simple": [0.1, 0.2], "other": [0.1, 0.2]}).pick(0.0) == "simple"


def test_a_member_whose_labels_are_swapped_is_dropped(make, labelled, unseen, tmp_path, quick):
    """It looks just as near: only labels can tell."""
    liar = models.part(0, 1).copy()
    liar[models.TARGET] = np.where(liar[models.TARGET] == "benign", "malignant", "benign")
    (tmp_path / "liar").mkdir()
    files = models.write(tmp_path / "liar", "liar", liar, "skops")
    rkme = specs.Specification.from_bytes(files["specification"]).rkme
    wrong = Member("alice/liar@1.0.0", Path(files["model"]), Manifest.read_bytes(files["manifest"]), rkme, 1.0)
    right = make("honest", 0, 1, "skops", 0.0)
    for blend in (False, True):
        outcome = engine.run(plan([wrong, right], "auto", labelled, params={"blend": blend, "nested": False}), workdir=tmp_path / str(blend))
        assert accuracy(predictor.load(outcome.folder).predict(unseen), unseen) > 0.85
        # Those that go by likeness believe the liar: what they are given is little.
        told = outcome.evidence["shares"] or {outcome.lineage["method"]: 1.0}
        assert sum(told.get(address, 0) for address in ("ensemble/selected", "scratch")) > 0.6


def test_the_users_own_settings_are_heard(members, labelled, tmp_path, quick):
    found = engine.run(plan(members, "auto", labelled, params={"nested": False, "repeats": 1, "blend": False}), workdir=tmp_path)
    assert "nested" not in found.evidence and found.evidence["repeats"] == 1 and "1 x 5-fold" in found.evidence["rule"] and "simplest" in found.evidence["rule"]
    assert {row["method"] for row in found.evidence["leaderboard"]} == set(QUICK) and found.lineage["method"] in QUICK and found.evidence["shares"] is None


def test_of_rows_too_few_for_shares_one_method_is_chosen(members, tmp_path, quick):
    found = engine.run(plan(members, "auto", rows(models.part(0, 1).head(auto.LEAST_BLENDED - 1))), workdir=tmp_path)
    assert found.lineage["method"] in QUICK and found.evidence["shares"] is None and "simplest" in found.evidence["rule"]


@pytest.mark.parametrize("params", [{"repeats": 0}, {"repeats": -1}, {"tolerance": -1.0}], ids=str)
def test_settings_that_make_no_sense_are_refused(members, labelled, tmp_path, quick, params):
    with pytest.raises(ReuseError) as refused:
        engine.run(plan(members, "auto", labelled, params=params), workdir=tmp_path)
    assert refused.value.code == "wrong-parameter"


def test_the_same_plan_is_decided_the_same_twice(members, labelled, unseen, tmp_path, quick):
    def told(name):
        found = engine.run(plan(members, "auto", labelled), workdir=tmp_path / name)
        plain = json.loads((found.folder / "predictor.json").read_text())["evidence"]
        for row in plain["leaderboard"]:
            row.pop("seconds")
        plain.pop("cost")
        return plain, found.lineage, predictor.load(found.folder).predict(unseen).probabilities.tolist()

    assert told("one") == told("two")


# -- the budget -------------------------------------------------------------------------------


def test_a_budget_that_is_spent_leaves_the_yardsticks(members, labelled, tmp_path, plain_scratch):
    found = engine.run(plan(members, "auto", labelled, budget_s=0.0), workdir=tmp_path).evidence
    assert judged(found) == {auto.ORDER[0], *auto.YARDSTICKS}
    assert set(found["left_out"]) == set(auto.ORDER) - {auto.ORDER[0], *auto.YARDSTICKS} and set(found["left_out"].values()) == {"the budget was spent"}
    assert found["nested"] is None


def test_what_was_done_before_the_budget_ended_counts(bench, monkeypatch, quick):
    now = [0.0]
    monkeypatch.setattr(auto, "time", SimpleNamespace(monotonic=lambda: now[0], perf_counter=lambda: 0.0))

    def progress(stage, done, words):
        if words.endswith("ensemble/best-single"):
            now[0] = 1e6

    board = auto.compare(bench, list(QUICK), progress)
    assert list(board.rows) == ["ensemble/routed", "ensemble/mean", "ensemble/best-single", "scratch"] and board.left_out == {"ensemble/selected": "the budget was spent"}


def test_a_method_that_outlasts_the_budget_is_judged_by_its_first_round(bench, monkeypatch, quick):
    now, fitted, real = [0.0], [], recipes.fit
    monkeypatch.setattr(auto, "time", SimpleNamespace(monotonic=lambda: now[0], perf_counter=lambda: 0.0))

    def slow(bench, method, params, given):
        fitted.append(method.address)
        now[0] += 1e6
        return real(bench, method, params, given)

    monkeypatch.setattr(recipes, "fit", slow)
    board = auto.compare(bench, ["ensemble/selected"], repeats=3)
    assert len(fitted) == 5 and np.isfinite(board.losses["ensemble/selected"]).all()


def test_the_outer_round_leaves_half_of_the_budget(members, labelled, tmp_path, monkeypatch, quick):
    asked = []
    real = auto.compare
    monkeypatch.setattr(auto, "compare", lambda *args, **more: asked.append(more["deadline"]) or real(*args, **more))
    monkeypatch.setattr(auto, "time", SimpleNamespace(monotonic=lambda: 1000.0, perf_counter=lambda: 0.0))
    found = engine.run(plan(members, "auto", labelled, budget_s=100.0), workdir=tmp_path)
    assert asked[0] == 1050.0 and set(asked[1:]) == {1100.0} and found.evidence["nested"]["folds"] == 5


# -- what applies -----------------------------------------------------------------------------


def test_merges_are_judged_where_members_are_a_family(grown, labelled, tmp_path, monkeypatch, plain_scratch):
    base, tuned = grown
    monkeypatch.setattr(auto, "ORDER", tuple(address for address in auto.ORDER if not address.startswith("finetune/")))
    found = engine.run(plan(tuned, "auto", labelled, base=base, params={"repeats": 1, "nested": False}), workdir=tmp_path)
    merges = {address for address in auto.ORDER if address.startswith("merge/")}
    assert merges <= {row["method"] for row in found.evidence["leaderboard"]} and not found.evidence["left_out"]


def test_bang_is_left_out_where_its_condition_fails(grown, labelled, tmp_path, monkeypatch):
    base, tuned = grown
    made = recipes.Bench(plan(tuned, "auto", labelled, base=base), tmp_path)
    monkeypatch.setattr(auto, "overconfident", lambda base, tuned: -0.05)
    monkeypatch.setattr(evidence, "fold_count", lambda n: 2)
    board = auto.compare(made, ["finetune/wise-ft", "finetune/bang"], repeats=1)
    assert list(board.rows) == ["finetune/wise-ft"] and "condition" in board.left_out["finetune/bang"] and "-0.050" in board.left_out["finetune/bang"]
    monkeypatch.setattr(auto, "overconfident", lambda base, tuned: 0.05)
    made.kept.pop("overconfident")
    assert list(auto.compare(made, ["finetune/wise-ft", "finetune/bang"], repeats=1).rows) == ["finetune/wise-ft", "finetune/bang"]


def test_bang_compares_how_sure_base_and_tuned_are_on_rows_without_labels(grown, labelled, unseen, tmp_path, monkeypatch):
    from reuse.formats import safetensors

    base, tuned = grown
    made = recipes.Bench(plan(tuned[:1], "auto", labelled, rows=rows(unseen).columns), tmp_path)
    seen = []
    monkeypatch.setattr(auto, "overconfident", lambda *given: seen.append(given) or -1.0)
    monkeypatch.setattr(evidence, "fold_count", lambda n: 2)
    auto.compare(made, ["finetune/wise-ft", "finetune/bang"], repeats=1)
    (before, after), = seen
    assert np.allclose(before, safetensors.load(tuned[0].path, tuned[0].manifest)(made.free_X)) and after.shape == before.shape == (len(unseen), 2)
    assert not np.allclose(before, after)


def test_bang_is_not_tried_where_nothing_can_be_tuned(make, labelled, tmp_path):
    made = recipes.Bench(plan([make("lonely", 0, 0.5, "skops", 0.5)], "auto", labelled), tmp_path)
    board = auto.compare(made, ["scratch", "finetune/wise-ft", "finetune/bang"], repeats=1)
    assert board.left_out["finetune/bang"] == "nothing could be fine-tuned" and "safetensors" in board.left_out["finetune/wise-ft"]


def test_where_nothing_applies_it_says_so(make, labelled, tmp_path):
    made = recipes.Bench(plan([make("lonely", 0, 0.5, "skops", 0.5)], "auto", labelled), tmp_path)
    with pytest.raises(ReuseError) as refused:
        auto.compare(made, ["finetune/full", "merge/average"])
    assert refused.value.code == "nothing-applies"


def test_values_are_chosen_for_too(valued, tmp_path, monkeypatch, plain_scratch):
    base, tuned, changes, (columns, y) = valued
    monkeypatch.setattr(auto, "ORDER", ("ensemble/hedged", "ensemble/vote", "ensemble/best-single", "ensemble/adjusted", "merge/average", "merge/tsv", "ensemble/stacked", "scratch", "finetune/head"))
    data = Labelled({name: values[:40] for name, values in columns.items()}, y[:40])
    found = engine.run(plan(tuned, "auto", data, base=base, **changes), workdir=tmp_path)
    assert found.evidence["metric"] == "rmse" and not found.evidence["left_out"] and found.evidence["calibration"] is None and found.evidence["details"]["residuals"]
    answered = predictor.load(found.folder).predict({name: values[40:] for name, values in columns.items()}).values
    error = np.sqrt(((answered - y[40:]) ** 2).mean())
    assert error < 0.3 * y.std() and found.evidence["nested"]["low"] < 2 * error and found.evidence["nested"]["high"] > error / 2


# -- labels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3])
def test_rows_too_few_to_compare_by_are_refused(members, tmp_path, n):
    for address in ("auto", "ensemble/routed"):
        with pytest.raises(ReuseError) as refused:
            engine.run(plan(members, address, rows(models.part(0, 1).head(n))), workdir=tmp_path / address)
        assert refused.value.code == "too-few-rows" and refused.value.hint


@pytest.mark.parametrize("n", [4, 5, 9])
def test_few_rows_are_compared_and_the_user_is_warned(members, tmp_path, quick, n):
    found = engine.run(plan(members, "auto", rows(models.part(0, 1).head(n))), workdir=tmp_path).evidence
    assert judged(found) == set(QUICK) and any("roughly" in words for words in found["warnings"])


@pytest.mark.parametrize("name", models.CLASSES)
def test_labels_of_one_class_are_judged_with_a_warning(members, labelled, tmp_path, monkeypatch, name):
    monkeypatch.setattr(auto, "ORDER", tuple(address for address in auto.ORDER if address not in SLOW))
    chosen = labelled.target == name
    one = Labelled({key: values[chosen][:15] for key, values in labelled.columns.items()}, labelled.target[chosen][:15])
    found = engine.run(plan(members, "auto", one, params={"nested": False, "repeats": 1}), workdir=tmp_path).evidence
    assert any(f"one class ({name})" in words for words in found["warnings"]) and {"scratch", "ensemble/best-single"} <= {row["method"] for row in found["leaderboard"]}


def test_labels_that_no_member_knows_are_named(members, tmp_path):
    frame = models.part(0, 1).head(30).copy()
    frame.loc[3, models.TARGET] = "unsure"
    with pytest.raises(ReuseError, match="unsure") as refused:
        engine.run(plan(members, "auto", rows(frame)), workdir=tmp_path)
    assert refused.value.code == "unknown-classes"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused_before_any_model_runs(members, labelled, tmp_path, monkeypatch, bad):
    from reuse import sandbox

    monkeypatch.setattr(sandbox, "shared", lambda: pytest.fail("a model was asked"))
    target = np.arange(60.0)
    target[7] = bad
    with pytest.raises(ReuseError) as refused:
        engine.run(plan(members, "auto", replace(labelled, target=target), output={"kind": "value", "target": "area"}), workdir=tmp_path)
    assert refused.value.code == "wrong-labels" and refused.value.hint


def test_labels_that_are_missing_are_named(members, labelled, tmp_path):
    target = labelled.target.astype(object)
    target[7] = float("nan")
    with pytest.raises(ReuseError) as refused:
        engine.run(plan(members, "auto", replace(labelled, target=target)), workdir=tmp_path)
    assert refused.value.code == "unknown-classes"


# -- calling it off ---------------------------------------------------------------------------


def left_behind(folder):
    """What should not be there after a plan was called off: anything but merged variants, which the caller's folder takes with it."""
    return [p for p in folder.rglob("*") if not (p.name.startswith("merged-") and p.suffix == ".safetensors")]


def called_off(made, folder, after):
    asked = []
    with pytest.raises(Cancelled):
        engine.run(made, cancelled=lambda: asked.append(1) or len(asked) > after, workdir=folder)
    assert len(asked) == after + 1 and left_behind(folder) == []


@pytest.mark.parametrize("address", ["auto", "merge/wise-ft", "finetune/head", "distil"])
def test_a_plan_that_is_called_off_stops_wherever_it_is(grown, labelled, tmp_path, monkeypatch, plain_scratch, address):
    base, tuned = grown
    monkeypatch.setattr(auto, "ORDER", ("ensemble/routed", "merge/wise-ft", "ensemble/best-single", "scratch"))
    params = {"auto": {"repeats": 1}, "finetune/head": {"epochs": 2}, "distil": {"epochs": 3}}.get(address, {})
    made = plan(tuned, address, labelled, base=base, params=params)
    asked = []
    engine.run(made, cancelled=lambda: asked.append(1) and False, workdir=tmp_path / "whole")
    assert asked
    places = range(len(asked)) if len(asked) <= 12 else np.unique(np.geomspace(1, len(asked), 9).astype(int) - 1)
    for after in places:
        called_off(made, tmp_path / str(after), after)


def test_progress_only_grows(members, labelled, tmp_path, quick):
    heard = []
    engine.run(plan(members, "auto", labelled), progress=lambda *said: heard.append(said), workdir=tmp_path)
    shares = [done for _, done, _ in heard]
    assert shares == sorted(shares) and shares[-1] == 1.0 and {stage for stage, _, _ in heard} == {"predicting", "comparing", "fitting", "verifying", "packing", "done"}


# -- calibration ------------------------------------------------------------------------------


def test_an_ensemble_that_is_too_sure_gets_a_temperature(members, tmp_path, plain_scratch, random):
    """Half of the labels are tossed: no member knows that."""
    frame = models.part(0, 1).sample(200, random_state=0).copy()
    tossed = random.random(200) < 0.5
    frame.loc[frame.index[tossed], models.TARGET] = random.choice(models.CLASSES, tossed.sum())
    found = engine.run(plan(members, "ensemble/mean", rows(frame)), workdir=tmp_path)
    told = found.evidence["calibration"]
    assert told["temperature"] > 1.5 and told["error"] < told["error_before"]
    combined = predictor.load(found.folder).document["combine"]
    assert combined["temperature"] == told["temperature"]


def test_a_model_alone_keeps_its_probabilities(members, labelled, tmp_path, plain_scratch):
    found = engine.run(plan(members, "ensemble/best-single", labelled), workdir=tmp_path)
    assert found.evidence["calibration"]["temperature"] == 1.0 and "temperature" not in predictor.load(found.folder).document["combine"]
