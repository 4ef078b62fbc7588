"""Pictures in the pages: valid SVG that says what the numbers say, whatever the numbers are."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

import specs
from marketplace import plots
from tests.marketplace.rows import homes, table

NAN = float("nan")


def read(svg):
    return ElementTree.fromstring(str(svg))


def floats(svg):
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", re.sub(r'aria-label="[^"]*"|<text.*?</text>', "", str(svg)))]


@pytest.fixture
def spec():
    space = homes()
    return space, specs.describe(table(np.random.default_rng(0)), space, points=30)


def test_each_point_is_a_circle_whose_area_is_its_weight(spec):
    space, rkme = spec
    circles = read(plots.cloud(space, [(rkme, "one")], "Homes")).findall(".//circle")
    assert len(circles) == rkme.size and {circle.get("class") for circle in circles} == {"one"}
    radii = np.sort([float(circle.get("r")) for circle in circles])
    weights = np.sort(rkme.distribution)
    seen = radii > 1.7  # the smallest are drawn larger, so that they can be seen
    assert seen.sum() > 20 and np.allclose((radii**2 / weights)[seen], radii[-1] ** 2 / weights[-1], rtol=0.1)


def test_two_clouds_share_one_frame_and_stay_inside_it(spec):
    space, rkme = spec
    other = specs.describe(table(np.random.default_rng(1), 4.0), space, points=30)
    svg = plots.cloud(space, [(rkme, "one"), (other, "two")], "Two")
    assert all(0 <= float(c.get("cx")) <= plots.WIDTH and 0 <= float(c.get("cy")) <= plots.HEIGHT for c in read(svg).findall(".//circle"))
    assert "area" in str(svg)  # the column along which they part is named


def test_a_title_is_text_and_never_markup(spec):
    space, rkme = spec
    svg = str(plots.cloud(space, [(rkme, "one")], '"><script>alert(1)</script>'))
    assert "<script" not in svg
    read(svg)


def test_one_point_and_no_points_are_drawn_too(spec):
    space, _ = spec
    one = specs.Rkme(points=np.zeros((1, space.d)), weights=np.ones(1), sigma=space.sigma, n=1, space_id=space.id)
    assert np.isfinite(floats(plots.cloud(space, [(one, "one")], "One"))).all()
    assert plots.cloud(space, [], "None") == ""


def test_ranges_say_what_the_specification_holds(spec):
    space, rkme = spec
    rows = {row["name"]: row for row in plots.ranges(space, rkme)}
    area = table(np.random.default_rng(0))["area"]
    assert rows["area"]["mid"] == pytest.approx(np.median(area), abs=0.3)
    assert rows["area"]["low"] == pytest.approx(np.quantile(area, 0.05), abs=0.6) and rows["area"]["high"] == pytest.approx(np.quantile(area, 0.95), abs=0.6)
    assert sum(level["share"] for level in rows["town"]["levels"]) == pytest.approx(1)


@pytest.mark.parametrize(("share", "width"), [(0, 0), (0.25, 25), (1, 100), (1.7, 100), (-3, 0)])
def test_a_bar_fills_its_share_and_no_more(share, width):
    assert float(read(plots.bar(share)).findall("rect")[1].get("width")) == width


def test_a_leaderboard_is_drawn_on_one_scale():
    rows = [{"score": 0.9, "low": 0.8, "high": 0.95, "chosen": True}, {"score": 0.5, "low": 0.4, "high": 0.6}, {"score": NAN, "low": NAN, "high": NAN}, {"score": 0.7, "low": None, "high": None}]
    drawn = plots.leaderboard(rows)
    marks = [float(read(row["plot"]).find("rect").get("x")) if row["plot"] else None for row in drawn]
    assert marks[0] > marks[3] > marks[1] and marks[2] is None
    assert "line-two" in str(drawn[0]["plot"]) and "line-one" in str(drawn[1]["plot"])


def test_a_board_without_numbers_or_with_one_is_no_accident():
    assert plots.leaderboard([]) == [] and plots.leaderboard([{"score": None}]) == [{"score": None}]
    assert np.isfinite(floats(plots.leaderboard([{"score": 1.0, "low": 1.0, "high": 1.0}])[0]["plot"])).all()


def test_numbers_of_an_axis_are_short_and_its_ticks_round():
    assert [plots._short(value) for value in (0, 0.25, 40, 120_000, 3e6, 6e13, -25_000)] == ["0", "0.25", "40", "120k", "3M", "6e+13", "-25k"]
    assert plots._round_ticks(0, 59, 6) == [0, 10, 20, 30, 40, 50] and plots._round_ticks(1, 1, 4) == [1]


def test_errors_are_drawn_on_both_sides_of_none():
    drawn = read(plots.residuals([[1.0, 2.0], [3.0, 2.5], [4.0, NAN]], "EUR"))
    assert len(drawn.findall(".//circle")) == 2 and drawn.get("aria-label") == "Errors of 2 rows by what was predicted: 1 too high, 1 too low"
    assert plots.residuals([[1.0, 2.0]]) == "" and plots.residuals([]) == ""


def test_bars_stand_as_high_as_answers_are_right():
    bins = [{"from": 0.8, "to": 0.9, "sure": 0.85, "right": 0.5, "rows": 20}, {"from": 0.9, "to": 1.0, "sure": 0.95, "right": 1.0, "rows": 20}]
    heights = [float(rect.get("height")) for rect in read(plots.reliability(bins)).findall(".//rect")]
    assert heights[0] * 2 == pytest.approx(heights[1], abs=0.2) and plots.reliability([]) == ""


def test_a_lane_fills_its_bar_at_the_slowest():
    widths = [float(rect.get("width")) for rect in read(plots.lane([(1.0, "soft-one"), (0.0, "bar"), (3.0, "bar-two")], 8.0)).findall(".//rect")][1:]
    assert widths == [12.5, 37.5] and len(read(plots.lane([(0.0, "bar")], 0.0)).findall(".//rect")) == 1
