"""Regions of a requirement: found again where they are known, named by what sets them apart, their cells summing to the coverage."""

import numpy as np
import pytest

import specs
from marketplace.catalog import artifacts
from marketplace.matching import drawing, regions
from specs.explain import seen
from tests.marketplace.rows import homes, requirement, table


@pytest.fixture(scope="module")
def space():
    return homes()


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def kept(document: bytes) -> str:
    return artifacts.put(document).sha256


def test_known_groups_are_found_again(rng):
    centres = np.array([[0, 0], [8, 0], [0, 8], [8, 8]])
    X = np.concatenate([rng.normal(size=(30, 2)) * 0.3 + centre for centre in centres])
    groups = regions.clusters(X, np.full(120, 1 / 120), 4)
    assert sorted(tuple(group // 30) for group in groups) == [(i,) * 30 for i in range(4)]


def test_weights_count_and_small_groups_join_their_neighbour():
    X = np.array([[0.0], [0.1], [5.0], [5.1], [9.0]])
    groups = regions.clusters(X, np.array([0.3, 0.2, 0.25, 0.249, 0.001]), 3)
    assert sorted(map(list, groups)) == [[0, 1], [2, 3, 4]]


def test_one_point_is_one_region(space):
    assert len(regions.clusters(np.zeros((5, 2)), np.full(5, 0.2), 6)) == 1


def test_the_same_points_have_the_same_regions(space, rng):
    sha256 = kept(requirement(space, table(rng)))
    first = [(region.name, region.share) for region in regions.of(sha256)]
    regions._of.cache_clear()
    assert [(region.name, region.share) for region in regions.of(sha256)] == first


def test_regions_are_named_by_the_columns_that_set_them_apart(space, rng):
    large, small = table(rng, 6.0, 300), table(rng, -2.0, 300)
    large["town"][:] = "Kiel"
    small["town"][:] = "Bonn"
    both = {name: np.concatenate([large[name], small[name]]) for name in large}
    found = regions.of(kept(requirement(space, both)))
    assert sum(region.share for region in found) == pytest.approx(1) and [r.share for r in found] == sorted((r.share for r in found), reverse=True)
    assert len({region.name for region in found}) == len(found)
    assert all("area high" in r.name or "town Kiel" in r.name or "area low" in r.name or "town Bonn" in r.name or "rooms" in r.name for r in found)
    assert any("town Kiel" in r.name for r in found) and any("town Bonn" in r.name for r in found)


def test_cells_weighted_by_shares_sum_to_the_coverage(space, rng):
    mine, theirs = requirement(space, table(rng)), requirement(space, table(rng, 1.5))
    sha256, other = kept(mine), kept(theirs)
    table_ = regions.cells(sha256, [regions.covered(sha256, other)])
    total = sum(region.share * row[0] for region, row in zip(regions.of(sha256), table_, strict=True))
    a, b = specs.Specification.from_bytes(mine).rkme, specs.Specification.from_bytes(theirs).rkme
    assert total == pytest.approx(specs.coverage(a, [b]))
    assert np.allclose(regions.covered(sha256, other), seen(a, [b]))


def test_a_mixture_covers_what_its_members_know(space, rng):
    parts = [table(rng, shift) for shift in (0, 6)]
    mine = kept(requirement(space, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}))
    low, high = (kept(requirement(space, table(rng, shift))) for shift in (0, 6))
    rows = regions.cells(mine, [regions.covered(mine, low), regions.covered(mine, high), regions.covered_together(mine, [(low, 0.5), (high, 0.5)])])
    assert all(together > 0.7 for *_, together in rows) and min(cells[0] for cells in rows) < 0.2 and min(cells[1] for cells in rows) < 0.2


def test_densities_are_drawn_over_each_other_on_one_scale(space, rng):
    column, (_, where) = space.columns[0], space.coordinates()[0]
    sides = [drawing.column_values(column, where, specs.describe(table(rng, shift), space, points=30)) for shift in (0, 4)]
    found = drawing.overlaid(*sides, "area: your data and its data")
    assert found["low"] < -1 and found["high"] > 5 and found["svg"].count("<path") == 3 and "style=" not in found["svg"]
    assert 'aria-label="area: your data and its data"' in found["svg"]


def test_a_column_of_one_value_can_be_drawn():
    same = np.full(4, 3.0), np.full(4, 0.25)
    assert "nan" not in drawing.overlaid(same, same, "x")["svg"]


def test_words_of_a_picture_are_escaped():
    assert "<b>" not in drawing.overlaid((np.arange(3.0), np.full(3, 1 / 3)), None, "<b>")["svg"]


def test_a_mixture_is_held_against_the_points_once(space, rng, monkeypatch):
    mine, low, high = (kept(requirement(space, table(rng, shift))) for shift in (0.3, 0.0, 3.0))
    regions._covered_together.cache_clear()
    looked = []
    monkeypatch.setattr(regions, "seen", lambda *args: looked.append(args) or seen(*args))
    first, again = (regions.covered_together(mine, [(low, 0.5), (high, 0.5)]) for _ in range(2))
    other = regions.covered_together(mine, [(low, 0.9), (high, 0.1)])
    assert len(looked) == 2 and np.array_equal(first, again) and not np.array_equal(first, other)
