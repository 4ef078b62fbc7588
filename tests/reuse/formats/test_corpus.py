"""The corpus of hostile and well-formed offers (tests/soak/corpus.py), each held against our validators in this process; none of it is run."""

import os
import warnings
from collections import Counter

import pytest

from tests.soak import corpus

# What only the database can tell, or the bytes that arrived.
OF_THE_SITE = {"other-space", "target-is-input", "other-owner", "unknown-base", "unknown-parent", "wrong-digest"}


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return corpus.build(tmp_path_factory.mktemp("corpus") / "marker")


def is_as_expected(case, where, code):
    if case.where in ("usable", "run") or case.codes & OF_THE_SITE or case.codes == {"wrong-fields"}:
        return where == "usable"
    if case.category == "truncations":
        return where != "usable"
    return where == case.where and ("*" in case.codes or code in case.codes)


def test_every_offer_has_the_outcome_that_it_must_have(cases, tmp_path):
    found = {case.name: (case, *corpus.inspect(case, tmp_path)) for case in cases}
    surprises = {name: (case.where, sorted(case.codes), where, code) for name, (case, where, code) in found.items() if not is_as_expected(case, where, code)}
    assert not surprises
    assert not [name for name in os.listdir(tmp_path) if name != "model.bin"]


def test_the_corpus_is_broad_and_no_payload_was_run(cases, tmp_path_factory):
    counted = Counter(case.category for case in cases)
    assert sum(counted.values()) >= 800 and min(counted.values()) >= 35 and counted["well-formed"] >= 26
    assert not list(tmp_path_factory.getbasetemp().rglob("marker"))
