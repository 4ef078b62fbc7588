"""A match keeps references; whoever opens its link is told only of what they may see: no name, no count, no weight gives the rest away."""

import json

import numpy as np
import pytest

from marketplace.catalog.models import Learnware, Share
from marketplace.matching import answers, services
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
def secret(alice, bob, space, rng):
    """Alice's private model, shared with Bob; it is what fits best."""
    offered(alice, "open", space, table(rng, 3))
    offered(alice, "other", space, table(rng, 5))
    version = offered(alice, "secret", space, table(rng))
    Learnware.objects.filter(pk=version.learnware_id).update(visibility=Learnware.Visibility.PRIVATE)
    Share.objects.create(learnware=version.learnware, user=bob)
    return version


@pytest.fixture
def found(alice, secret, space, rng):
    return services.match(user=alice, specification=requirement(space, table(rng)), filters={})


def test_its_owner_reads_the_answer_as_it_was_given(found, alice):
    result, left_out = answers.seen(found, alice)
    assert result == found.result and left_out == 0 and result["singles"][0]["reference"] == "alice/secret@1.0.0"


def test_whom_it_is_shared_with_reads_the_same(found, bob):
    result, left_out = answers.seen(found, bob)
    assert result["singles"] == found.result["singles"] and left_out == 0 and result["searched"] == 3


@pytest.mark.parametrize("reader", ["charlie", "nobody"])
def test_others_do_not_learn_of_it(found, charlie, reader):
    result, _ = answers.seen(found, charlie if reader == "charlie" else None)
    assert "secret" not in json.dumps(result) and str(found.result["singles"][0]["id"]) not in json.dumps(result)
    assert [(single["rank"], single["reference"]) for single in result["singles"]] == [(1, "alice/open@1.0.0"), (2, "alice/other@1.0.0")]
    assert result["searched"] == 2


def test_a_mixture_that_leaned_on_it_is_solved_anew(found, charlie):
    mixture = answers.seen(found, charlie)[0]["mixture"]
    assert sum(member["weight"] for member in mixture["members"]) == pytest.approx(1)
    assert mixture["squared_mmd"] > found.result["mixture"]["squared_mmd"]


def test_no_page_and_no_endpoint_names_it(found, client, charlie, api):
    client.force_login(charlie)
    pages = [found.get_absolute_url(), found.get_absolute_url() + "?q=e", found.get_absolute_url() + "?with=alice/secret@1.0.0", found.get_absolute_url() + "mixture/?without=alice/open@1.0.0"]
    for address in pages:
        answer = client.get(address, headers={"HX-Request": "true"} if "mixture" in address else {})
        page = answer.content.decode().replace("with=alice/secret@1.0.0", "").replace('value="alice/secret@1.0.0"', "")  # what the address itself says
        assert answer.status_code == 200 and "alice/secret" not in page and "Secret" not in page and "you may not see" not in page, address
    for who in (charlie, None):
        said = api(who).get(f"/api/v1/matches/{found.pk}").json()
        assert "secret" not in json.dumps(said) and said["searched"] == 2 and said["left_out"] == 0


def test_its_own_searcher_is_told_how_many_are_left_out(secret, bob, client, space, rng, api):
    found = services.match(user=bob, specification=requirement(space, table(rng)), filters={})
    Share.objects.all().delete()
    client.force_login(bob)
    page = client.get(found.get_absolute_url()).content.decode()
    assert "1 model that you may not see is left out." in page and "secret" not in page.lower()
    assert api(bob).get(f"/api/v1/matches/{found.pk}").json()["left_out"] == 1


def test_other_filters_and_other_members_never_reach_it(found, charlie, secret):
    answer = services.rerank(row=found, user=charlie, asked=services.Filtered({}))
    mixed = services.remix(row=found, user=charlie, asked=services.Filtered({}), choice=services.Choice(included=(secret.pk,)))
    assert "secret" not in json.dumps(answer) and answer["searched"] == 2 and "secret" not in json.dumps(mixed)
    assert all(row["version"].pk != secret.pk for row in answers.read(found, charlie, Asked(included=("alice/secret@1.0.0",)))["mixture"]["others"])


def test_an_empty_answer_does_not_tell_that_something_private_is_there(alice, space, rng):
    version = offered(alice, "secret", space, table(rng))
    Learnware.objects.filter(pk=version.learnware_id).update(visibility=Learnware.Visibility.PRIVATE)
    found = services.match(user=None, specification=requirement(space, table(rng)), filters={})
    assert "Nobody offers" in found.result["advice"][0]


def test_a_gated_model_is_named_and_marked(found, client, charlie, alice, space, rng):
    version = offered(alice, "gated", space, table(rng, 0.1))
    Learnware.objects.filter(pk=version.learnware_id).update(is_gated=True)
    found = services.match(user=charlie, specification=requirement(space, table(rng)), filters={})
    client.force_login(charlie)
    page = client.get(found.get_absolute_url()).content.decode()
    assert "alice/gated@1.0.0" in page and "on request" in page
