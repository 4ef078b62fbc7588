"""A mixture with members taken out and put in: exact where it can be held against something, and never what one may not see."""

import numpy as np
import pytest

import specs
from marketplace.errors import Refused
from marketplace.matching import asking, index, mixing, services
from marketplace.matching.asking import Asked
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
    return {shift: offered(alice, f"at-{shift}", space, table(rng, shift)) for shift in (0, 3, 6)}


@pytest.fixture
def found(bob, catalog, space, rng):
    """Bob's match: half of his data lies at 0, half at 6."""
    parts = [table(rng, shift) for shift in (0, 6)]
    both = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return services.match(user=bob, specification=requirement(space, both), filters={})


def weights(mixture):
    return {member["reference"].split("/")[1].split("@")[0]: member["weight"] for member in mixture["members"]}


def remixed(found, user, **choice):
    return services.remix(row=found, user=user, asked=services.Filtered.of(found), choice=services.Choice(**choice))


def test_without_a_choice_it_is_the_mixture_that_was_kept(found, bob):
    again = remixed(found, bob)
    assert weights(again) == pytest.approx(weights(found.result["mixture"]), abs=1e-6)
    assert again["squared_mmd"] == pytest.approx(found.result["mixture"]["squared_mmd"], abs=1e-9)


def test_what_is_taken_out_is_replaced_by_what_is_left(found, bob, catalog):
    without = remixed(found, bob, excluded=(catalog[6].pk,))
    assert "at-6" not in weights(without) and "at-3" in weights(without)
    assert sum(weights(without).values()) == pytest.approx(1)
    assert without["squared_mmd"] > found.result["mixture"]["squared_mmd"] and without["coverage"] < found.result["mixture"]["coverage"]


def test_what_is_asked_for_is_in_with_a_least_weight(found, bob, catalog):
    assert weights(found.result["mixture"]).get("at-3", 0) < mixing.LEAST
    asked = remixed(found, bob, included=(catalog[3].pk,))
    assert weights(asked)["at-3"] == pytest.approx(mixing.LEAST, abs=1e-6)
    assert [m["asked_for"] for m in asked["members"] if m["reference"] == "alice/at-3@1.0.0"] == [True]
    assert asked["gap"] is None and sum(weights(asked).values()) == pytest.approx(1)


def test_weights_with_a_floor_are_the_best_of_a_fine_grid(space, rng):
    mine = specs.describe(table(rng, 1.0), space, points=20)
    rkmes = {name: specs.describe(table(rng, shift), space, points=20) for name, shift in (("a", 0.0), ("b", 2.0), ("c", 9.0))}
    free = index.Mixed([index.Hit("a", rkmes["a"], 0.5), index.Hit("b", rkmes["b"], 0.5)], 0.0, 0.0)
    got = mixing.with_at_least(mine, free, {"c": rkmes["c"]}, least=0.2)
    found = {hit.version_id: hit.value for hit in got.members}

    def distance(w):
        points = np.concatenate([rkmes[name].points for name in "abc"])
        mass = np.concatenate([share * rkmes[name].weights for name, share in zip("abc", w, strict=True)])
        return specs.squared_mmd(mine, specs.Rkme(points=points, weights=mass, sigma=mine.sigma, n=1200, space_id=mine.space_id))

    grid = min(((distance((a, 0.8 - a, 0.2)), a) for a in np.linspace(0, 0.8, 161)), key=lambda pair: pair[0])
    assert found["c"] == pytest.approx(0.2, abs=1e-6) and found["a"] == pytest.approx(grid[1], abs=0.01)
    assert got.squared_mmd == pytest.approx(grid[0], abs=1e-5)


def test_taking_everything_out_leaves_nothing_and_says_so(found, bob, catalog):
    nothing = remixed(found, bob, excluded=tuple(version.pk for version in catalog.values()))
    assert nothing["members"] == [] and nothing["sentences"] == ["No learnware is left to mix."]


def test_what_answers_another_question_can_not_be_put_in(found, bob, alice, space, rng):
    price = offered(alice, "price", space, table(rng, 6), task="regression", target="price", output={"kind": "value", "target": "price", "unit": "EUR"})
    assert "price" not in weights(remixed(found, bob, included=(price.pk,)))


def test_many_versions_are_mixed_without_what_was_taken_out(found, bob, catalog, monkeypatch):
    from marketplace.matching import narrowing

    monkeypatch.setattr(narrowing, "FEW", 0)
    assert "at-6" not in weights(remixed(found, bob, excluded=(catalog[6].pk,)))


def test_other_filters_rank_the_same_requirement_anew_and_keep_nothing(found, bob, alice, space, rng):
    from marketplace.matching.models import Match

    offered(alice, "mit", space, table(rng, 1.0), licence="MIT")
    answer = services.rerank(row=found, user=bob, asked=services.Filtered({"licence": "MIT"}))
    assert [single["reference"] for single in answer["singles"]] == ["alice/mit@1.0.0"] and answer["filters"]["licence"] == "MIT"
    assert Match.objects.count() == 1
    assert len(services.rerank(row=found, user=bob, asked=services.Filtered({}, top=2))["singles"]) == 2


def test_an_address_says_a_choice_and_is_read_back(found):
    from django.http import QueryDict

    asked = Asked(filters={"licence": "MIT"}, top=5, included=("alice/at-3@1.0.0",), excluded=("alice/at-0@1.0.0", "bob/x@1.0.0"))
    assert asking.read(QueryDict(asked.query()[1:])) == asked


def test_a_member_comes_back_by_itself_and_a_stranger_only_while_asked_for(found):
    best = {"alice/at-0@1.0.0"}
    out = Asked().toggled("alice/at-0@1.0.0", False, best)
    assert out.excluded == ("alice/at-0@1.0.0",) and out.toggled("alice/at-0@1.0.0", True, best) == Asked()
    put = Asked().toggled("alice/at-3@1.0.0", True, best)
    assert put.included == ("alice/at-3@1.0.0",) and put.toggled("alice/at-3@1.0.0", False, best) == Asked()


def test_an_address_loses_what_the_match_says_anyway(found):
    assert Asked(filters={"task": "", "licence": "", "q": ""}, top=10).tidied(found) == Asked()
    assert Asked(filters={"licence": "MIT", "q": ""}).tidied(found).filters == {"licence": "MIT"}


@pytest.mark.parametrize("query", ["top=0", "top=x", "top=-1", "top=999", "with=" + "x" * 300, "without=a%00b", "&".join(f"with=a/b@{i}" for i in range(50))])
def test_an_address_that_makes_no_sense_is_refused(query):
    from django.http import QueryDict

    with pytest.raises(Refused):
        asking.read(QueryDict(query))
