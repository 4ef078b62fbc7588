"""A plan in, a predictor with its evidence out."""

import json
from pathlib import Path

import numpy as np
import pytest

import specs
from reuse import ReuseError, engine, predictor, registry
from reuse.engine import Member
from reuse.errors import Cancelled
from reuse.manifest import Manifest
from tests.journeys import models
from tests.reuse.conftest import accuracy, plan, rows

WITHOUT_FAMILY = [m.address for m in registry.every() if not m.needs_family]


@pytest.mark.parametrize("address", WITHOUT_FAMILY)
def test_every_method_gives_a_predictor_that_works(members, labelled, unseen, tmp_path, address):
    outcome = engine.run(plan(members, address, labelled), workdir=tmp_path)
    found = predictor.load(outcome.folder).predict(unseen)
    assert accuracy(found, unseen) > 0.8
    assert outcome.evidence["leaderboard"] and outcome.evidence["rows"] == 60
    assert outcome.lineage["method"] in {m.address for m in registry.every()}
    json.dumps(outcome.lineage)


@pytest.mark.parametrize("address", [m.address for m in registry.every() if m.needs_family])
def test_every_merge_gives_a_predictor_that_answers_as_the_merged_model(family, tmp_path, address):
    base, tuned = family
    outcome = engine.run(plan(tuned, address, base=base), workdir=tmp_path)
    found = predictor.load(outcome.folder).predict(models.part(0, 1).head(40))
    assert found.probabilities.shape == (40, 2) and np.allclose(found.probabilities.sum(axis=1), 1)
    assert [m["reference"] for m in outcome.lineage["members"]] == [m.reference for m in (*tuned, base)] or address == "merge/average"


def test_auto_chooses_by_the_table_it_shows(members, labelled, unseen, tmp_path):
    outcome = engine.run(plan(members, "auto", labelled), workdir=tmp_path)
    board = outcome.evidence["leaderboard"]
    assert {"ensemble/best-single", "ensemble/routed", "scratch"} <= {row["method"] for row in board}
    assert sum(row["chosen"] for row in board) == 1
    chosen = next(row for row in board if row["chosen"])
    assert outcome.lineage["method"] == chosen["method"] and chosen["loss"] <= board[0]["loss"] * 1.5
    assert all(row["low"] <= row["score"] <= row["high"] for row in board)
    assert "cross-validation" in outcome.evidence["rule"]


def test_auto_drops_members_that_know_another_concept(make, labelled, unseen, tmp_path):
    """A member whose labels are swapped looks just as near: only labels can tell."""
    liar = models.part(0, 1).copy()
    liar[models.TARGET] = np.where(liar[models.TARGET] == "benign", "malignant", "benign")
    (tmp_path / "liar").mkdir()
    files = models.write(tmp_path / "liar", "liar", liar, "skops")
    rkme = specs.Specification.from_bytes(files["specification"]).rkme
    wrong = Member("alice/liar@1.0.0", Path(files["model"]), Manifest.read_bytes(files["manifest"]), rkme, 1.0)
    right = make("honest", 0, 1, "skops", 0.0)
    outcome = engine.run(plan([wrong, right], "auto", labelled), workdir=tmp_path / "work")
    assert accuracy(predictor.load(outcome.folder).predict(unseen), unseen) > 0.85


def test_without_labels_auto_routes_and_says_what_it_did_not_measure(members, unseen, tmp_path):
    outcome = engine.run(plan(members, "auto"), workdir=tmp_path)
    assert outcome.lineage["method"] == "ensemble/routed"
    assert outcome.evidence["leaderboard"] == [] and "verified" in outcome.evidence["warnings"][0]
    assert accuracy(predictor.load(outcome.folder).predict(unseen), unseen) > 0.8


def test_the_same_plan_gives_the_same_bytes(members, labelled, tmp_path):
    def packed(name):
        outcome = engine.run(plan(members, "ensemble/stacked", labelled), workdir=tmp_path / name)
        for row in json.loads((outcome.folder / "predictor.json").read_text())["evidence"]["leaderboard"]:
            row.pop("seconds")
        return {p.name: p.read_bytes() for p in outcome.folder.rglob("*") if p.is_file() and p.name != "predictor.json"}, outcome.lineage

    assert packed("one") == packed("two")


def test_progress_is_told_and_a_cancelled_plan_stops(members, labelled, tmp_path):
    heard = []
    engine.run(plan(members, "ensemble/routed", labelled), progress=lambda *said: heard.append(said), workdir=tmp_path / "one")
    assert [done for _, done, _ in heard] == sorted(done for _, done, _ in heard) and heard[-1][1] == 1.0
    with pytest.raises(Cancelled):
        engine.run(plan(members, "auto", labelled), cancelled=lambda: True, workdir=tmp_path / "two")


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
    assert refused.value.code == code


def test_labels_that_no_member_knows_are_named(members, tmp_path):
    frame = models.part(0, 1).head(30).copy()
    frame.loc[3, models.TARGET] = "unsure"
    with pytest.raises(ReuseError, match="unsure") as refused:
        engine.run(plan(members, "auto", rows(frame)), workdir=tmp_path)
    assert refused.value.code == "unknown-classes"


def test_two_labelled_rows_are_few_but_no_crash(members, tmp_path):
    outcome = engine.run(plan(members, "auto", rows(models.part(0, 1).head(2))), workdir=tmp_path)
    assert any("roughly" in words for words in outcome.evidence["warnings"])


def test_a_member_alone_can_be_reused(members, labelled, tmp_path):
    outcome = engine.run(plan(members[:1], "auto", labelled), workdir=tmp_path)
    assert outcome.evidence["leaderboard"]
