import json
import threading

import numpy as np
import pytest

import specs
from marketplace.catalog.models import Artifact, Change, Version
from marketplace.errors import Refused
from marketplace.matching import answers, asking, index
from marketplace.matching.models import Match
from marketplace.matching.services import match
from specs import kernels
from specs.labels import Labels
from tests.marketplace.rows import homes, offered, requirement, table

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def space():
    return homes()


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def catalog(alice, space, rng):
    """Three of Alice's learnwares: near 0, at 3, at 6."""
    return {shift: offered(alice, f"at-{shift}", space, table(rng, shift)) for shift in (0, 3, 6)}


def ask(space, frame, user=None, filters=None, top=10, **semantic):
    return match(user=user, specification=requirement(space, frame, **semantic), filters=filters or {}, top=top)


def names(row):
    return [single["reference"] for single in row.result["singles"]]


def test_the_learnware_with_the_same_data_comes_first(catalog, space, rng, bob):
    row = ask(space, table(rng), bob)
    best = row.result["singles"][0]
    assert names(row) == ["alice/at-0@1.0.0", "alice/at-3@1.0.0", "alice/at-6@1.0.0"]
    assert best["verdict"] == "indistinguishable"
    assert best["coverage"] > 0.8
    assert row.owner == bob


def test_distances_are_the_exact_ones(catalog, space, rng):
    document = requirement(space, table(rng, 1.0))
    row = match(user=None, specification=document, filters={})
    mine = specs.Specification.from_bytes(document).rkme
    for single in row.result["singles"]:
        theirs = index.singles(space.id, mine, allowed=[Version.objects.get(pk=single["id"]).pk], top=1)[0].rkme
        assert single["squared_mmd"] == pytest.approx(specs.squared_mmd(mine, theirs), abs=1e-9)
        assert single["mmd"] == pytest.approx(single["squared_mmd"] ** 0.5)


def test_the_column_that_differs_is_named_first(catalog, space, rng):
    far = ask(space, table(rng)).result["singles"][2]
    assert far["columns"][0]["column"] == "area"
    assert far["columns"][0]["requirement"]["mean"] == pytest.approx(0, abs=0.3)
    assert far["columns"][0]["other"]["mean"] == pytest.approx(6, abs=0.3)
    assert "area" in " ".join(far["sentences"])


def test_a_mixed_requirement_is_best_met_by_a_mixture(catalog, space, rng):
    parts = [table(rng, shift) for shift in (0, 6)]
    both = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    mixture = ask(space, both).result["mixture"]
    assert {member["reference"] for member in mixture["members"]} >= {"alice/at-0@1.0.0", "alice/at-6@1.0.0"}
    assert sum(member["weight"] for member in mixture["members"]) == pytest.approx(1)
    assert mixture["closer"] > 5
    assert mixture["coverage"] > 0.8
    assert "closer" in mixture["sentences"][0]


def test_a_mixture_holds_learnwares_that_answer_one_question(catalog, alice, space, rng):
    offered(alice, "price", space, table(rng, 6), task="regression", target="price",
            output={"kind": "value", "target": "price", "unit": "EUR"})
    parts = [table(rng, shift) for shift in (0, 0, 6)]
    both = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    mixture = ask(space, both).result["mixture"]
    assert mixture["target"] == "kind"
    assert "alice/price@1.0.0" not in {member["reference"] for member in mixture["members"]}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [({"task": "regression"}, ["alice/price@1.0.0"]), ({"target": "kind"}, ["alice/kind@1.0.0"]),
     ({"licence": "MIT"}, ["alice/price@1.0.0"]), ({"format": "skops"}, ["alice/kind@1.0.0"]), ({"q": "price"}, ["alice/price@1.0.0"])],
)
def test_words_hold_for_every_hit_and_member(alice, space, rng, filters, expected):
    offered(alice, "kind", space, table(rng), format="skops")
    offered(alice, "price", space, table(rng), task="regression", target="price", licence="MIT",
            output={"kind": "value", "target": "price", "unit": "EUR"})
    row = ask(space, table(rng), filters=filters)
    assert names(row) == expected
    assert [member["reference"] for member in row.result["mixture"]["members"]] == expected


def test_the_requirements_own_words_narrow_the_search(catalog, alice, space, rng):
    offered(alice, "price", space, table(rng), task="regression", target="price",
            output={"kind": "value", "target": "price", "unit": "EUR"})
    row = ask(space, table(rng), task="regression", target="price")
    assert names(row) == ["alice/price@1.0.0"]
    assert row.result["relaxed"] == []


def test_own_words_that_nobody_answers_give_way_and_it_is_said(catalog, space, rng):
    row = ask(space, table(rng), task="classification", target="colour")
    assert len(names(row)) == 3
    assert row.result["relaxed"][0]["filter"] == "target"
    assert "colour" in row.result["relaxed"][0]["message"]


def test_the_users_filters_never_give_way(catalog, space, rng):
    row = ask(space, table(rng), filters={"target": "colour"})
    assert row.result["singles"] == []
    assert row.result["mixture"]["members"] == []
    assert "colour" in row.result["advice"][0]


def test_an_empty_space_is_answered_with_advice(catalog, space, rng):
    Version.objects.update(status=Version.Status.WITHDRAWN, is_latest=False)
    row = ask(space, table(rng))
    assert row.result["singles"] == []
    assert "Nobody offers" in row.result["advice"][0]


def test_a_withdrawn_learnware_is_gone_at_once_even_if_nobody_told_the_index(catalog, space, rng):
    assert "alice/at-0@1.0.0" in names(ask(space, table(rng)))
    Version.objects.filter(pk=catalog[0].pk).update(status=Version.Status.WITHDRAWN, is_latest=False)
    row = ask(space, table(rng))
    assert "alice/at-0@1.0.0" not in names(row)
    assert "alice/at-0@1.0.0" not in {member["reference"] for member in row.result["mixture"]["members"]}


def test_what_is_offered_after_the_first_search_is_found_by_the_next(catalog, alice, space, rng):
    ask(space, table(rng))
    offered(alice, "fresh", space, table(rng, 9))
    assert names(ask(space, table(rng, 9)))[0] == "alice/fresh@1.0.0"


def test_a_new_version_takes_the_place_of_the_old_one(catalog, alice, space, rng):
    ask(space, table(rng))
    offered(alice, "at-0", space, table(rng, 9), number="2.0.0")
    found = names(ask(space, table(rng, 9)))
    assert found[0] == "alice/at-0@2.0.0"
    assert "alice/at-0@1.0.0" not in found


def test_a_change_with_a_lower_number_that_appears_late_is_not_missed(catalog, alice, space, rng):
    """On PostgreSQL numbers are given before the commit: 12 may be seen before 11."""
    late = offered(alice, "late", space, table(rng, 9))
    number = Change.objects.get(version=late).pk
    Change.objects.filter(pk=number).delete()
    Change.objects.create(pk=number + 1, space_id=space.id, version=catalog[0])
    Version.objects.filter(pk=late.pk).update(is_latest=False, status=Version.Status.CHECKING)
    ask(space, table(rng))
    Version.objects.filter(pk=late.pk).update(is_latest=True, status=Version.Status.USABLE)
    Change.objects.create(pk=number, space_id=space.id, version=late)
    assert names(ask(space, table(rng, 9)))[0] == "alice/late@1.0.0"


def test_a_damaged_specification_leaves_the_rest_findable(catalog, space, rng, caplog):
    index.forget()
    damaged = catalog[3].specification
    Version.objects.filter(pk=catalog[3].pk).update(specification=Artifact.objects.create(sha256="0" * 64, size=1))
    assert names(ask(space, table(rng))) == ["alice/at-0@1.0.0", "alice/at-6@1.0.0"]
    assert "can not be read" in caplog.text
    assert damaged


def test_the_requirement_is_kept_as_an_artifact(catalog, space, rng):
    document = requirement(space, table(rng))
    row = match(user=None, specification=json.loads(document), filters={})
    assert row.specification.size == len(document)
    assert row.owner is None


def test_a_space_that_nobody_founded_is_refused_with_the_nearest(catalog, rng):
    frame = table(rng)
    frame["garden"] = frame.pop("rooms")
    other = specs.Space.from_table(frame, name="gardens")
    with pytest.raises(Refused) as refused:
        ask(other, frame)
    assert refused.value.status == 422
    assert "rooms" in refused.value.hint
    assert "garden" in refused.value.hint
    assert Match.objects.count() == 0
    assert not Artifact.objects.filter(requirement_of__isnull=False).exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("points"),
        lambda d: d.update(n=-1),
        lambda d: d["points"].update(shape=[10_000_000, 4]),
        lambda d: d.update(space_id="0" * 64),
        lambda d: d["weights"].update(data=""),
        lambda d: d["space"]["kernel"].update(sigma=0),
    ],
)
def test_a_spoilt_requirement_is_refused_and_leaves_nothing(catalog, space, rng, spoil):
    document = json.loads(requirement(space, table(rng)))
    spoil(document)
    before = Artifact.objects.count()
    with pytest.raises(Refused) as refused:
        match(user=None, specification=document, filters={})
    assert refused.value.code
    assert (Match.objects.count(), Artifact.objects.count()) == (0, before)


@pytest.mark.parametrize("filters", [{"colour": "red"}, {"task": 3}, {"q": "x" * 500}, ["task"]])
def test_filters_that_make_no_sense_are_refused(catalog, space, rng, filters):
    with pytest.raises(Refused):
        match(user=None, specification=requirement(space, table(rng)), filters=filters)


def test_labels_tell_models_of_one_concept_from_those_of_another(alice, space, rng):
    frames = {name: table(rng) for name in ("rising", "falling", "silent")}
    rise = {name: np.where(frame["area"] > 0, "house", "flat") for name, frame in frames.items()}
    offered(alice, "silent", space, frames["silent"])
    offered(alice, "falling", space, frames["falling"], labels=np.where(frames["falling"]["area"] > 0, "flat", "house"))
    offered(alice, "rising", space, frames["rising"], labels=rise["rising"])
    mine = table(rng)
    few = np.array([None] * 400, dtype=object)
    few[:30] = np.where(mine["area"][:30] > 0, "house", "flat")
    row = match(user=None, specification=requirement(space, mine, few), filters={})
    assert names(row) == ["alice/rising@1.0.0", "alice/falling@1.0.0", "alice/silent@1.0.0"] and row.result["by_labels"]
    assert any("carries no labels" in sentence for sentence in row.result["singles"][2]["sentences"])
    assert "ensemble/selected" in row.result["advice"][0]
    plain = match(user=None, specification=requirement(space, mine), filters={})
    assert not plain.result["by_labels"]


def test_many_versions_are_held_against_the_database_hit_by_hit(alice, bob, space, rng, monkeypatch):
    from marketplace.matching import narrowing

    monkeypatch.setattr(narrowing, "FEW", 0)
    near = offered(alice, "near", space, table(rng))
    offered(bob, "licensed", space, table(rng, 0.2), licence="MIT")
    offered(bob, "far", space, table(rng, 4.0))
    ask(space, table(rng))  # fills the index
    monkeypatch.setattr(index, "_catch_up", lambda *_: None)  # an index that has not heard yet
    Version.objects.filter(pk=near.pk).update(status=Version.Status.WITHDRAWN)
    row = ask(space, table(rng))
    assert names(row) == ["bob/licensed@1.0.0", "bob/far@1.0.0"] and row.result["searched"] == 2
    assert {member["reference"] for member in row.result["mixture"]["members"]} <= {"bob/licensed@1.0.0", "bob/far@1.0.0"}
    assert names(ask(space, table(rng), filters={"licence": "MIT"})) == ["bob/licensed@1.0.0"]


def test_shares_of_columns_sum_to_one_and_scores_go_together(catalog, space, rng):
    for single in ask(space, table(rng, 1.0)).result["singles"]:
        assert sum(column["share"] for column in single["columns"]) == pytest.approx(1)
        assert single["unbiased"] == pytest.approx(single["squared_mmd"] - single["noise"]) and 0 <= single["p_value"] <= 1


def test_a_mixture_reports_a_gap_that_bounds_every_other(catalog, space, rng):
    row = ask(space, table(rng, 1.5))
    best = min(single["squared_mmd"] for single in row.result["singles"])
    assert row.result["mixture"]["squared_mmd"] - row.result["mixture"]["gap"] <= best


def of_points(space, size):
    """A requirement of so many points."""
    X = np.random.default_rng(size).normal(size=(size, space.d))
    rkme = specs.Rkme(points=X, weights=np.full(size, 1 / size), sigma=space.sigma, n=10 * size, space_id=space.id)
    return specs.Specification(space, rkme, {"task": "classification", "target": "kind"}).to_bytes()


def test_many_points_may_be_held_against_few_singles_only(catalog, space, bob, client):
    with pytest.raises(Refused) as refused:
        match(user=bob, specification=of_points(space, 800), top=51)
    assert refused.value.code == "top-too-large" and "51 times 800" in refused.value.message and "at most 50" in refused.value.hint
    assert not Match.objects.exists()
    row = match(user=bob, specification=of_points(space, 800), top=50)
    assert len(row.result["singles"]) == 3
    assert len(match(user=bob, specification=of_points(space, 400), top=100).result["singles"]) == 3
    page = client.get(row.get_absolute_url(), {"top": "60"})
    assert page.status_code == 422 and "must be at most 40,000" in page.content.decode()


def test_a_page_offers_no_more_singles_than_may_be_asked_for(catalog, space, bob):
    row = match(user=bob, specification=of_points(space, 1_500))
    assert answers.read(row, bob, asking.Asked())["filters"]["tops"] == [5, 10, 20]
    row = match(user=bob, specification=of_points(space, 100))
    assert answers.read(row, bob, asking.Asked())["filters"]["tops"] == list(asking.TOPS)


def test_of_a_search_nothing_is_summed_twice(catalog, space, bob, monkeypatch):
    """Kernels of a specification with itself: the requirement's norm, and of it and of each hit one for each column; all else is known."""
    index.singles(space.id, specs.Specification.from_bytes(of_points(space, 60)).rkme, top=1)  # the index is built
    document, summed, quadratic = of_points(space, 50), [], kernels.quadratic
    monkeypatch.setattr(kernels, "quadratic", lambda Z, w, sigma: summed.append(Z.shape) or quadratic(Z, w, sigma))
    measured, squared_mmd = [], specs.squared_mmd
    monkeypatch.setattr(specs, "squared_mmd", lambda a, b: measured.append(a) or squared_mmd(a, b))
    found = match(user=bob, specification=document).result["singles"]
    assert len(found) == 3 and all(single["columns"] for single in found)
    assert [shape for shape in summed if shape[0] == 50] == [(50, space.d), (50, 1), (50, 1), (50, 2)] and len(summed) == 4 + 3 * 3 and measured == []


def with_labels(space, size, classes):
    document = json.loads(of_points(space, size))
    table = np.full((size, classes), 1 / (size * classes))
    return json.dumps(document | {"labels": Labels("classes", table, size, tuple(f"c{i}" for i in range(classes))).to_json()}).encode()


def test_a_requirement_brings_so_many_labels_and_no_more(catalog, space, bob, alice):
    with pytest.raises(Refused) as refused:
        match(user=bob, specification=with_labels(space, 500, 401))
    assert refused.value.code == "too-many-labels" and "500 times 401" in refused.value.message and refused.value.hint
    assert match(user=bob, specification=with_labels(space, 500, 400)).result["by_labels"]
    assert specs.Specification.from_bytes(with_labels(space, 500, 401)).rkme.labels is not None  # the format takes what is offered


def test_a_search_holds_up_no_other(catalog, space, bob, monkeypatch):
    held = []

    def search(self, *args, **more):
        lock = index._spaces[space.id].lock
        other = threading.Thread(target=lambda: held.append(lock.acquire(blocking=False) and not lock.release()))
        other.start()
        other.join(10)
        return plain(self, *args, **more)

    plain = index.SpaceIndex.search
    monkeypatch.setattr(index.SpaceIndex, "search", search)
    assert match(user=bob, specification=of_points(space, 50)).result["singles"] and held == [True]


def test_what_goes_while_a_search_runs_is_left_out(catalog, space, bob, monkeypatch):
    def search(self, *args, **more):
        found = plain(self, *args, **more)
        self.remove(found[0][0])
        return found

    plain = index.SpaceIndex.search
    monkeypatch.setattr(index.SpaceIndex, "search", search)
    rkme = specs.Specification.from_bytes(of_points(space, 50)).rkme
    assert len(index.singles(space.id, rkme, top=3)) == 2
