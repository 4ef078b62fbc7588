"""The demo's catalog: what it claims of itself holds."""

import numpy as np
import pytest

from marketplace.demo import packing, recipes

OFFERS = [(family, offer) for family in recipes.every() for offer in family.offers]


def test_it_is_as_large_and_as_mixed_as_promised():
    assert len(OFFERS) >= 40 and len({offer.owner for _, offer in OFFERS}) >= 4
    assert len(recipes.tasks()) >= 5 and {task.hope for _, task in recipes.tasks().values()} == {"mixture", "anything", "nothing"}
    assert len({offer.reference for _, offer in OFFERS}) == len(OFFERS)


def test_no_row_of_a_task_was_seen_by_an_offer():
    for family in recipes.every():
        seen = {tuple(row) for offer in family.offers for part in offer.rows() for row in part.round(6).astype(str).to_numpy().tolist()}
        for task in family.tasks:
            at_hand, unused = task.rows()
            for part in (at_hand, unused):
                shared = sum(tuple(row) in seen for row in part.round(6).astype(str).to_numpy().tolist())
                # Rows of few columns repeat by chance (a pupil with the same age and marks); images do not.
                assert shared <= (0.6 if part.shape[1] <= 7 else 0.01) * len(part), (task.name, shared, len(part))
            assert not set(at_hand.index) & set() and len(unused) >= 60 and task.labels <= len(at_hand)


def test_families_that_name_a_base_offer_it_first():
    for family in recipes.every():
        before: set[str] = set()
        for offer in family.offers:
            assert offer.base is None or offer.base in before
            before.add(offer.reference)


@pytest.mark.parametrize("name", ["iris", "wine"])
def test_a_small_family_is_trained_and_packed_as_a_developer_would(tmp_path, name):
    import json

    from moorage import offering

    for i, trained in enumerate(packing.train(recipes.family(name))):
        folder = tmp_path / str(i)
        folder.mkdir()
        packing.pack(trained, folder)
        manifest, model, specification = offering.read(folder)
        assert manifest.card and trained.evaluation["value"] > 0.8 and model.stat().st_size > 100
        assert json.loads(specification)["n"] == len(trained.rows)
        assert np.isfinite(trained.evaluation["value"])
