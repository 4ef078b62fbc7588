import json

import numpy as np
import pandas as pd
import pytest

import specs
from specs import Space, SpecError


@pytest.fixture
def frame():
    return pd.DataFrame({
        "rooms": [1.0, 2.0, 3.0, np.nan], "area": [30, 50, 70, 90], "town": ["Bonn", "Kiel", None, "Bonn"], "new": [True, False, True, True],
        "price": [1.0, 2.0, 3.0, 4.0],
    })


@pytest.fixture
def space(frame):
    return Space.from_table(frame, name="homes", target="price")


def test_the_target_is_left_out_and_types_are_found(space):
    assert {c.name: c.type for c in space.columns} == {"rooms": "numeric", "area": "numeric", "town": "categorical", "new": "categorical"}


def test_numbers_are_standardised_and_levels_stand_at_distance_one(frame, space):
    X = space.encode(frame)
    where = dict(space.coordinates())
    assert X[:, where["area"]].mean() == pytest.approx(0, abs=1e-5) and X[:, where["area"]].std() == pytest.approx(1, abs=1e-5)
    town = X[:, where["town"]]
    assert np.linalg.norm(town[0] - town[1]) == pytest.approx(1)
    assert (town[2] == 0).all()  # missing: none of the levels


def test_a_missing_number_is_the_mean_and_says_that_it_is_missing(frame, space):
    rooms = space.encode(frame)[:, dict(space.coordinates())["rooms"]]
    assert rooms[3].tolist() == [0.0, 1.0] and rooms[0][1] == 0.0


def test_decoding_gives_back_what_was_encoded(frame, space):
    back = space.decode(space.encode(frame))
    assert back["area"] == pytest.approx(frame["area"])
    assert back["town"][:2].tolist() == ["Bonn", "Kiel"]
    assert np.isnan(back["rooms"][3])


def test_the_id_is_made_of_the_content(frame, space):
    again = Space.from_json(json.loads(json.dumps(space.to_json())))
    assert again.id == space.id and again == space
    assert Space.from_table(frame.drop(columns="area"), name="homes", target="price").id != space.id


def test_sigma_is_the_median_distance(frame):
    X = np.random.default_rng(0).normal(size=(300, 4))
    space = Space.from_table(pd.DataFrame(X, columns=list("abcd")), name="x")
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    from scipy.spatial.distance import pdist

    assert space.sigma == pytest.approx(np.median(pdist(Z)), rel=1e-4)


def test_missing_columns_are_named_with_those_that_are_extra(frame, space):
    with pytest.raises(SpecError) as refused:
        space.encode(frame.rename(columns={"area": "sqm"}))
    assert refused.value.code == "missing-columns" and "'area'" in str(refused.value) and "'sqm'" in str(refused.value)


def test_words_where_numbers_belong_are_shown(frame, space):
    with pytest.raises(SpecError, match="'large'") as refused:
        space.encode(frame.assign(area=["30", "50", "large", "9"]))
    assert refused.value.code == "wrong-type"


def test_numbers_written_as_text_are_numbers(frame, space):
    assert space.encode(frame.assign(area=["30", "50", "70", "90"])) == pytest.approx(space.encode(frame))


def test_a_table_is_held_against_a_space(frame, space):
    fit = space.compare(Space.columns_of(frame.rename(columns={"rooms": "rm"}).assign(area="big"), "price"))
    assert not fit.fits and fit.missing == ("rooms",) and fit.extra == ("rm",) and fit.wrong_type == ("area",)
    assert space.compare(Space.columns_of(frame, "price")).fits


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"rooms": [np.nan] * 4}, "all-missing"),
        ({"rooms": [1, 2, np.inf, 4]}, "not-finite"),
        ({"rooms": pd.to_datetime(["2020-01-01"] * 4)}, "unknown-type"),
        ({"rooms": [[1], [2], [3], [4]]}, "unknown-type"),
    ],
)
def test_columns_that_can_not_be_coordinates_are_refused_by_name(frame, change, code):
    with pytest.raises(SpecError, match="rooms") as refused:
        Space.from_table(frame.assign(**change), name="homes", target="price")
    assert refused.value.code == code


def test_one_row_no_columns_and_no_table_are_refused(frame):
    for wrong, target in ((frame[:1], "price"), (frame[["price"]], "price"), (frame, "cost"), ([1, 2], None)):
        with pytest.raises(SpecError):
            Space.from_table(wrong, name="homes", target=target)


@pytest.mark.parametrize(
    "change",
    [
        {"kernel": {"type": "gaussian", "sigma": 0}},
        {"kernel": {"type": "laplace", "sigma": 1}},
        {"columns": []},
        {"columns": [{"name": "a", "type": "numeric", "location": 0, "scale": 0}]},
        {"columns": [{"name": "a", "type": "text"}]},
        {"columns": [{"name": "a", "type": "categorical", "levels": ["x", "x"]}]},
        {"kind": "audio"},
        {"more": 1},
        {"name": ""},
    ],
)
def test_a_document_that_breaks_a_rule_is_refused(space, change):
    with pytest.raises(SpecError):
        Space.from_json(space.to_json() | change)


def test_describing_needs_the_spaces_columns(frame, space):
    rkme = specs.describe(frame, space)
    assert rkme.space_id == space.id and rkme.sigma == space.sigma and rkme.n == 4


@pytest.mark.parametrize(
    ("change", "code"),
    [(lambda f: f.head(1), "too-few-rows"), (lambda f: f.head(0), "no-rows"), (lambda f: f.assign(area=np.nan), "all-missing"), (lambda f: f.assign(town=None), "all-missing")],
)
def test_a_description_needs_rows_and_a_value_in_every_column(frame, space, change, code):
    with pytest.raises(SpecError) as refused:
        specs.describe(change(frame), space)
    assert refused.value.code == code and refused.value.hint
