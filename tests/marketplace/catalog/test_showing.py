"""What the page of a learnware shows beyond its row: tensors, what a specification gives away, evaluations, lineage, differences."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest

import specs
from marketplace.catalog import differing, lineage, picturing, showing, tensors
from marketplace.catalog.models import Learnware, Version
from specs import scores
from tests.marketplace.rows import homes, offered, table


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def safetensors(**shapes: tuple[int, ...]) -> bytes:
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + b"\0" * at


@pytest.fixture
def offer(rng):
    """offer(owner, name, **what offered takes) -> a version in the space of homes."""
    return lambda owner, name, **more: offered(owner, name, homes(), table(rng, more.pop("shift", 0.0)), **more)


# --- tensors ----------------------------------------------------------------------------------


def test_the_header_is_read_from_the_store_without_the_check(alice, offer):
    version = offer(alice, "flats", model=safetensors(weight=(3, 4), bias=(4,)))
    rows = tensors.of(version)
    assert [(t["name"], t["dtype"], t["shape"], t["numbers"]) for t in rows] == [("weight", "F32", [3, 4], 12), ("bias", "F32", [4], 4)]
    assert sum(t["share"] for t in rows) == pytest.approx(1) and rows[0]["share"] == 0.75


@pytest.mark.parametrize("model", [b"n", b"not a model", b"\xff" * 64, safetensors(weight=(3,))[:-1]])
def test_what_is_no_safetensors_file_has_no_tensors(alice, offer, model):
    assert tensors.of(offer(alice, "flats", model=model)) == []


def test_what_the_check_found_is_taken_before_the_file(alice, offer):
    version = offer(alice, "flats", format="onnx")
    version.report = {"tensors": [{"name": "W", "dtype": "FLOAT", "shape": []}]}
    assert tensors.of(version) == [{"name": "W", "dtype": "FLOAT", "shape": [], "numbers": 1, "share": 1.0}]


def test_many_tensors_are_folded_by_the_beginnings_of_their_names():
    rows = [{"name": f"layers.{i}.{part}", "numbers": 2, "share": 1 / 500} for i in range(50) for part in [f"w{n}.x" for n in range(5)]]
    groups = tensors.folded(rows)
    assert len(groups) == 50 and groups[0]["name"] == "layers.0" and groups[0]["tensors"] == 5 and groups[0]["numbers"] == 10
    assert len(tensors.folded(rows[:20])) == 1 and tensors.folded([]) == []
    flat = tensors.folded([{"name": f"t{i}", "numbers": 1, "share": 0.0} for i in range(1_000)])
    assert len(flat) <= tensors.MOST_GROUPS and sum(g["tensors"] for g in flat) == 1_000


def test_tensors_over_rest(api, alice, offer):
    offer(alice, "flats", model=safetensors(weight=(3, 4)))
    found = api().get("/api/v1/learnwares/alice/flats/1.0.0/tensors").json()
    assert found["count"] == 1 and found["numbers"] == 12 and found["tensors"][0]["shape"] == [3, 4]


# --- what a specification gives away ----------------------------------------------------------


def said(spec: specs.Specification) -> dict[str, dict]:
    return {row["term"]: row for row in showing.privacy(spec)}


def test_a_specification_says_how_many_rows_a_point_stands_for(rng):
    space, frame = homes(), table(rng, n=3_000)
    rkme = specs.describe(frame, space, points=20)
    found = said(specs.Specification(space, rkme))
    assert f"{rkme.n / rkme.size:,.0f} on average" in found["Rows a point stands for"]["words"] and not found["Rows a point stands for"]["warn"]
    assert found["Differential privacy"]["words"].startswith("No.") and found["Labels"]["words"].startswith("None")
    few = replace(rkme, n=rkme.size)
    assert said(specs.Specification(space, few))["The lightest point"]["warn"]


def test_labels_and_privacy_are_told_as_the_file_states_them(rng):
    space, frame = homes(), table(rng)
    labelled = specs.attach(specs.describe(frame, space, points=10), space.encode(frame), rng.normal(size=400), kind="values")
    assert "400 labelled rows" in said(specs.Specification(space, labelled))["Labels"]["words"]
    private = replace(labelled, labels=None, generator={"name": "moorage-dp", "version": "1", "epsilon": 0.5, "delta": 1e-6})
    assert "ε = 0.5" in said(specs.Specification(space, private))["Differential privacy"]["words"]
    claimed = replace(labelled, generator={"name": "mine", "epsilon": 0.5, "delta": 1e-6})
    assert said(specs.Specification(space, claimed))["Differential privacy"]["words"].startswith("No.")


def test_weights_are_drawn_largest_first():
    drawn = str(picturing.weights(np.array([0.1, 0.6, 0.3])))
    heights = [float(part.split('"')[0]) for part in drawn.split('height="')[1:]]
    assert heights == sorted(heights, reverse=True) and len(heights) == 3 and "60 %" in drawn
    assert str(picturing.weights(np.full(2_000, 1 / 2_000))).count("<rect") == picturing.MOST_BARS


# --- evaluations ------------------------------------------------------------------------------


def evaluated(alice, offer, **evaluation) -> Version:
    version = offer(alice, "flats")
    version.manifest["evaluation"] = evaluation
    return version


def test_what_the_owner_reports_is_marked_as_theirs(alice, offer):
    found = showing.evaluation(evaluated(alice, offer, metric="rmse", value=3.5, unit="EUR", low=3.0, high=4.0, rows=120, trained_on=900))
    assert found["rows"] == [{"metric": "rmse", "value": 3.5, "low": 3.0, "high": 4.0, "unit": "EUR", "on": 120, "how": "as its manifest says", "by": "owner"}]
    assert found["facts"] == {"trained on": 900}


@pytest.mark.parametrize("evaluation", [{}, {"metric": 3}, {"metric": "rmse", "value": "high"}, {"metric": "rmse", "value": float("nan")}, {"metric": "x", "nested": 3}])
def test_strange_evaluations_are_no_figures(alice, offer, evaluation):
    assert showing.evaluation(evaluated(alice, offer, **evaluation))["rows"] == []


def test_only_a_job_of_this_market_makes_the_market_a_witness(alice, offer):
    from marketplace.jobs.models import ReuseJob, ReuseMethod

    version = evaluated(alice, offer, metric="accuracy", method="auto", score=0.9, low=0.85, high=0.95, rows=50)
    assert {row["by"] for row in showing.evaluation(version)["rows"]} == {"owner"}
    method = ReuseMethod.objects.create(kind="auto", name="auto", title="Auto")
    evidence = {"metric": "accuracy", "rows": 50, "leaderboard": [{"method": "ensemble/routed", "score": 0.9, "low": 0.85, "high": 0.95, "chosen": True}],
                "nested": {"score": 0.88, "low": 0.8, "high": 0.93}}
    job = ReuseJob.objects.create(owner=alice, method=method, space=version.space, target="kind", status="done", evidence=evidence)
    job.offered.add(version)
    rows = showing.evaluation(version)["rows"]
    assert [(row["by"], row["value"]) for row in rows] == [("market", 0.9), ("market", 0.88)]


# --- lineage ----------------------------------------------------------------------------------


@pytest.fixture
def family(alice, bob, offer):
    """base -> tuned-a, tuned-b -> soup -> crumbs; the soup is Bob's."""
    made = {"base": offer(alice, "base")}
    for name in ("tuned-a", "tuned-b"):
        made[name] = offer(alice, name)
        Version.objects.filter(pk=made[name].pk).update(base=made["base"])
    made["soup"] = offer(bob, "soup")
    made["soup"].parents.set([made["tuned-a"], made["tuned-b"]])
    made["crumbs"] = offer(bob, "crumbs", licence="MIT")
    made["crumbs"].parents.set([made["soup"]])
    return made


def names(found: lineage.Lineage) -> list[set[str]]:
    return [{version.learnware.name for version in layer} for layer in found.layers]


def test_the_lineage_goes_up_and_down_over_generations(family, charlie, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        found = lineage.of(family["soup"], charlie)
    assert names(found) == [{"base"}, {"tuned-a", "tuned-b"}, {"soup"}, {"crumbs"}] and found.here == 2
    assert [words for words, _ in lineage.groups(found)] == ["Made from, two generations up", "Made from", "Made with it"]
    drawn = str(picturing.lineage(found))
    assert drawn.count("<a ") == 4 and "MIT" in drawn and family["crumbs"].get_absolute_url() in drawn and 'aria-current="page"' in drawn


def test_what_a_visitor_may_not_see_is_left_out_and_so_is_what_hangs_on_it(family, bob, charlie):
    Learnware.objects.filter(name="soup").update(visibility=Learnware.Visibility.PRIVATE)
    assert names(lineage.of(family["base"], charlie)) == [{"base"}, {"tuned-a", "tuned-b"}]
    assert names(lineage.of(family["base"], bob)) == [{"base"}, {"tuned-a", "tuned-b"}, {"soup"}, {"crumbs"}]


def test_a_base_and_what_was_tuned_from_it_stand_in_different_layers_where_both_went_in(family, charlie):
    family["soup"].parents.add(family["base"])
    found = lineage.of(family["soup"], charlie)
    assert names(found) == [{"base"}, {"tuned-a", "tuned-b"}, {"soup"}, {"crumbs"}]


def test_a_large_family_is_cut_and_says_so(alice, charlie, offer):
    base = offer(alice, "base")
    for n in range(45):
        child = offer(alice, f"child-{n}")
        Version.objects.filter(pk=child.pk).update(base=base)
    found = lineage.of(base, charlie)
    assert len(found.versions) == lineage.MOST and found.left_out == 6


def test_a_version_alone_has_no_picture(alice, offer):
    found = lineage.of(offer(alice, "alone"), alice)
    assert names(found) == [{"alone"}] and lineage.groups(found) == [] and str(picturing.lineage(found)) == ""


# --- differences ------------------------------------------------------------------------------


def test_lines_of_a_card_are_told_apart():
    found = differing.lines("one\ntwo\nthree", "one\n2\nthree")
    assert [(line["kind"], line["words"]) for line in found] == [("same", "one"), ("removed", "two"), ("added", "2"), ("same", "three")]
    assert differing.lines("a", "a") == []
    far = differing.lines("\n".join(map(str, range(40))), "\n".join(["x", *map(str, range(1, 39)), "y"]))
    assert [line["kind"] for line in far].count("gap") == 1


def test_two_versions_differ_in_words_signature_tensors_and_data(api, alice, offer):
    output = {"kind": "classes", "target": "kind", "classes": ["flat", "house"]}
    old = offer(alice, "flats", model=safetensors(weight=(3, 4), bias=(4,)), manifest={"output": output, "model": {"file": "m"}, "licence": "MIT", "card": "a", "evaluation": {"value": 1}})
    new = offer(alice, "flats", number="1.1.0", shift=3.0, model=safetensors(weight=(3, 5), scale=(5,)),
                manifest={"output": output | {"classes": ["flat", "hut"]}, "model": {"file": "m"}, "licence": "ISC", "card": "b", "evaluation": {"value": 2}})
    found = differing.difference(old, new, alice)
    assert [(row["name"], row["old"], row["new"]) for row in found["fields"]] == [("Licence", "MIT", "ISC")]
    assert [row["path"] for row in found["signature"]] == ["output.classes"] and found["evaluation"][0]["new"] == 2
    assert [t["name"] for kind in ("changed", "removed", "added") for t in found["tensors"][kind]] == ["weight", "bias", "scale"]
    assert found["data"]["mmd"] > 0.3 and found["data"]["verdict"] == "far"
    over_rest = api().get("/api/v1/learnwares/alice/flats/compare/1.0.0...1.1.0").json()
    assert over_rest["data"]["verdict"] == "far" and over_rest["card"][0] == {"kind": "removed", "words": "a"}
    assert api().get("/api/v1/learnwares/alice/flats/compare/1.0.0...9.9.9").status_code == 404


def test_specifications_of_different_spaces_have_no_distance(alice, offer, rng):
    old = offer(alice, "flats")
    other = table(rng) | {"lift": rng.normal(size=400)}
    new = offered(alice, "flats", specs.Space.from_table(other, name="lifts"), other, number="2.0.0")
    found = differing.difference(old, new, alice)
    assert found["data"] is None and "different spaces" in found["apart"]


def test_two_specifications_are_compared_once_however_often_a_page_is_read(client, api, alice, offer, monkeypatch):
    differing._score.cache_clear()
    offer(alice, "flats"), offer(alice, "flats", number="1.1.0", shift=1.0)
    scored, score = [], scores.score
    monkeypatch.setattr(scores, "score", lambda *args, **more: scored.append(args) or score(*args, **more))
    assert [client.get("/learnwares/alice/flats/").status_code for _ in range(3)] == [200] * 3
    over_rest = api().get("/api/v1/learnwares/alice/flats/compare/1.0.0...1.1.0").json()
    assert len(scored) == 1
    assert over_rest["data"]["p_value"] == score(*scored[0]).p_value and over_rest["data"]["verdict"] == score(*scored[0]).verdict
