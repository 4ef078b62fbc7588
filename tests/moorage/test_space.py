"""What `space=` of describe and offer may be: a Space, the id of one, "found", or nothing."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

import moorage
import specs
from moorage.errors import NotFound, Offline
from tests.moorage.market import URL, Asked, Pool, answer

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"a": RNG.normal(size=80), "b": RNG.normal(size=80)})
KNOWN = specs.Space.from_table(FRAME * 10, name="known")  # other scales than FRAME's own, so that it is another space


def market(asked: Asked):
    """A market with one space, which a table of a and b fits."""
    if asked.path == "/api/v1/spaces/find":
        fits = {column["name"] for column in asked.json()["columns"]} <= {"a", "b"}
        return answer(200, {"fits": [{"id": KNOWN.id}] if fits else [], "nearest": []})
    if asked.path == f"/api/v1/spaces/{KNOWN.id}":
        return answer(200, {"id": KNOWN.id, "space": KNOWN.to_json()})
    if asked.path == "/api/v1/learnwares":
        return answer(201, {"reference": "alice/mine@1.0.0", "status": "checking"})
    return answer(404, {"code": "not-found", "message": "There is nothing."})


@pytest.fixture
def there(tmp_path):
    return moorage.Market(URL, "moor_x", cache=tmp_path, transport=Pool(market))


def describe(there, frame, space):
    return there.describe(frame, space=space).space.id


def offer(there, frame, space):
    there.offer(Ridge().fit(frame, frame["a"]), frame, frame["a"], name="mine", licence="MIT", space=space, wait=False)
    sent = dict(there._wire._pool.asked[-1].fields)
    manifest, specification = json.loads(sent["manifest"][1]), specs.Specification.from_bytes(sent["specification"][1])
    assert manifest["input"]["space"] == specification.space.id
    return specification.space.id


BOTH = pytest.mark.parametrize("made", [describe, offer])
STRANGE = FRAME.assign(c=1.5 * FRAME["b"])


@BOTH
def test_a_space_is_taken_as_it_is(there, made):
    own = specs.Space.from_table(FRAME, name="own")
    assert made(there, FRAME, own) == own.id != KNOWN.id


@BOTH
def test_an_id_names_a_space_of_the_market(there, made):
    assert made(there, FRAME, KNOWN.id) == KNOWN.id


@BOTH
def test_an_id_that_nobody_knows_is_not_found(there, made):
    with pytest.raises(NotFound) as refused:
        made(there, FRAME, "0" * 64)
    assert refused.value.code == "not-found"


@BOTH
def test_an_id_that_was_not_fetched_is_missed_offline(tmp_path, made):
    offline = moorage.Market(URL, offline=True, cache=tmp_path, transport=Pool(lambda asked: pytest.fail("a request was made")))
    with pytest.raises(Offline) as refused:
        made(offline, FRAME, KNOWN.id)
    assert refused.value.code == "not-in-cache"


@BOTH
@pytest.mark.parametrize("space", ["found", None])
def test_columns_that_fit_a_space_use_it(there, made, space):
    assert made(there, FRAME, space) == KNOWN.id


@BOTH
def test_a_space_is_founded_where_none_fits(there, made):
    assert made(there, STRANGE, "found") not in (KNOWN.id, "")


def test_described_without_a_word_no_space_is_founded_and_an_offer_founds_one(there):
    with pytest.raises(NotFound) as refused:
        describe(there, STRANGE, None)
    assert refused.value.code == "no-space"
    assert offer(there, STRANGE, None) == offer(there, STRANGE, "found")
