"""How far each member is, told while the child still works; a word that is none changes nothing."""

import numpy as np
import pytest

from reuse import ReuseError
from reuse.sandbox import client, shared, wire, work
from tests.journeys import models
from tests.reuse.sandbox.test_sandbox import asked, columns


def test_each_member_loads_and_answers_in_turn(members):
    heard = []
    found = shared().predict([asked(m)[0] for m in members], models.space().to_json(), columns(20), heard=lambda place, said: heard.append((place, said)))
    assert len(found) == 3
    assert [(place, said["state"]) for place, said in heard] == [(place, state) for place in range(3) for state in ("loading", "answering", "answered")]
    last = heard[-1][1]
    assert (last["rows"], last["of"]) == (20, 20) and last["loading_s"] >= 0 and last["answering_s"] >= 0


def test_rows_are_counted_by_the_batch(monkeypatch, members):
    monkeypatch.setattr(work, "BATCH", 8)
    said = []
    work.predict([asked(members[0])[0]], models.space().to_json(), columns(20), said.append)
    assert [word["rows"] for word in said if "rows" in word] == [0, 8, 16, 20]


def test_what_was_heard_before_a_refusal_stays_and_the_refusal_comes(members):
    heard, broken = [], asked(members[1])[0]
    broken["manifest"] = broken["manifest"] | {"output": broken["manifest"]["output"] | {"classes": ["one", "two", "three"]}}
    with pytest.raises(ReuseError) as refused:
        shared().predict([asked(members[0])[0], broken], models.space().to_json(), columns(5), heard=lambda place, said: heard.append(place))
    assert refused.value.code == "signature-lies" and set(heard) == {0, 1}


@pytest.mark.parametrize("said", [None, 7, {}, {"member": 3, "state": "loading"}, {"member": True, "state": "loading"}, {"member": 0, "state": "bragging"}])
def test_a_word_about_nobody_is_dropped(said):
    client._pass_on(said, 3, lambda place, words: pytest.fail("this was no word of progress"))


def test_only_numbers_in_range_are_passed_on():
    heard = []
    client._pass_on({"member": 0, "state": "answering", "rows": -1, "of": "many", "loading_s": 0.5, "answering_s": float("nan"), "more": 1}, 1, lambda *word: heard.append(word))
    assert heard == [(0, {"state": "answering", "loading_s": 0.5})]


@pytest.mark.parametrize(("change", "whole"), [(lambda m: m, True), (lambda m: m + b"x", False), (lambda m: m[:-1], False), (lambda m: m + m, False), (lambda m: b"", False)])
def test_an_answer_with_something_after_it_is_none(change, whole):
    assert wire.is_whole(change(wire.pack({"notes": []}, [np.zeros(3)]))) is whole


def test_a_word_is_cut_off_only_when_it_is_whole():
    word, answer = wire.pack({"progress": {"member": 0}}), wire.pack({"notes": []}, [np.zeros(3)])
    pending = bytearray(word[:-1])
    assert wire.told(pending) is None and len(pending) == len(word) - 1
    pending = bytearray(word + answer)
    assert wire.told(pending) == word and pending == answer
    assert wire.told(pending) is None and pending == answer
    assert wire.told(bytearray(b"\x10\0\0\0\0\0\0\0" + b"x" * 16)) is None
