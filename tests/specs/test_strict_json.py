"""How much a document from a stranger may hold, beside how long it may be."""

import numpy as np
import pytest

from specs import SpecError, Specification, strict_json
from specs.rkme import Rkme
from specs.space import Space


@pytest.mark.parametrize(
    ("data", "came"),
    [(b"[" + b"{}," * 30 + b"{}]", 30 + 10 * 32), (b'[{"a":[]}]', 30), (b"[1,2,3]", 12), (b"1", 0), (b'{"a":1,"b":2}', 11)],
)
def test_commas_count_one_and_lists_and_objects_ten(data, came):
    strict_json.loads(data, most=1000, what="It", parts=came)
    with pytest.raises(SpecError, match=f"it holds {came:,}") as refused:
        strict_json.loads(data, most=1000, what="It", parts=came - 1)
    assert refused.value.code == "too-many-values" and refused.value.hint


def test_what_would_be_a_gigabyte_of_dictionaries_is_not_parsed(monkeypatch):
    monkeypatch.setattr(strict_json.json, "loads", lambda *_, **__: pytest.fail("it was parsed"))
    data = b"[" + b'{"a":{}},' * 3_500_000 + b"0]"
    with pytest.raises(SpecError) as refused:
        Specification.from_bytes(data)
    assert refused.value.code == "too-many-values"


def test_the_widest_specification_that_there_may_be_has_room():
    names = [f"c{number}" for number in range(1000)]
    table = {name: np.arange(12.0) + number for number, name in enumerate(names)}
    space = Space.from_table(table, name="wide")
    rkme = Rkme(np.zeros((2000, space.d), np.float32), np.full(2000, 1 / 2000), space.sigma, n=5000, space_id=space.id)
    data = Specification(space, rkme).to_bytes()
    assert data.count(b",") + 10 * (data.count(b"{") + data.count(b"[")) < strict_json.MAX_PARTS / 10 and Specification.from_bytes(data).rkme.d == 1000
