"""How often one may search, how much one may bring, and what is kept of it."""

import json

import numpy as np
import pytest

from marketplace.matching import pruning, services
from marketplace.matching.models import Match
from tests.marketplace.rows import homes, offered, requirement, table

pytestmark = pytest.mark.django_db


@pytest.fixture
def document(alice):
    space, rng = homes(), np.random.default_rng(3)
    offered(alice, "at-0", space, table(rng))
    offered(alice, "at-1", space, table(rng, 1.0))
    return requirement(space, table(rng))


def search(client, document, **headers):
    return client.post("/api/v1/matches", json.dumps({"specification": json.loads(document)}), content_type="application/json", **headers)


def on_page(client, document, **headers):
    return client.post("/match/", {"pasted": document.decode() if isinstance(document, bytes) else json.dumps(document)}, **headers)


@pytest.fixture
def few(settings):
    settings.RATE_SEARCHES = "3/min"


def test_so_many_searches_a_minute_and_then_a_word_when_to_come_again(few, api, document):
    client = api()
    assert [search(client, document).status_code for _ in range(3)] == [201] * 3
    late = search(client, document)
    assert late.status_code == 429 and late.json()["code"] == "too-many-searches" and 1 <= int(late["Retry-After"]) <= 60 and "3 searches" in late.json()["message"]
    assert Match.objects.count() == 3


def test_each_person_and_each_address_has_a_count_of_its_own(few, api, alice, bob, document):
    for address in ("1.1.1.1", "2.2.2.2"):
        assert [search(api(), document, REMOTE_ADDR=address).status_code for _ in range(4)] == [201, 201, 201, 429]
    for person in (alice, bob):
        client = api(person)
        assert [search(client, document, REMOTE_ADDR="1.1.1.1").status_code for _ in range(16)] == [201] * 15 + [429]


def test_behind_a_proxy_strangers_are_told_apart(few, api, settings, document):
    settings.BEHIND_PROXY = True
    for address in ("1.1.1.1", "2.2.2.2"):
        assert [search(api(), document, HTTP_X_FORWARDED_FOR=f"9.9.9.9, {address}").status_code for _ in range(4)] == [201, 201, 201, 429]


def test_the_page_says_it_too_and_keeps_what_was_typed(few, client, document):
    assert [on_page(client, document).status_code for _ in range(3)] == [302] * 3
    late = on_page(client, document)
    assert late.status_code == 429 and int(late["Retry-After"]) >= 1 and "too-many-searches" in late.content.decode()


def test_other_filters_and_other_members_are_searches_and_reading_an_answer_is_none(few, client, document):
    row = services.match(user=None, specification=document, filters={})
    address, member = row.get_absolute_url(), row.result["singles"][0]["reference"]
    assert [client.get(address).status_code for _ in range(5)] == [200] * 5
    assert [client.get(f"{address}?{asked}").status_code for asked in ("format=skops", f"without={member}", "top=5")] == [200] * 3
    late = client.get(f"{address}?top=20")
    assert late.status_code == 429 and late["Retry-After"] and row.result["singles"][1]["reference"] in late.content.decode()
    assert client.get(f"{address}mixture/?without={member}").status_code == 429
    part = client.get(f"{address}mixture/?without={member}", HTTP_HX_REQUEST="true")  # htmx would leave another status out of the page, and the click without an answer
    said = part.content.decode()
    assert part.status_code == 200 and "too-many-searches" in said and part["HX-Retarget"] == "#mixture-said" and "HX-Push-Url" not in part
    assert 'id="mixture-said"' in client.get(address).content.decode()
    assert "This address could not be followed" not in client.get(f"{address}?top=20").content.decode()
    assert client.get(address).status_code == 200


def test_without_an_account_so_many_bytes_an_hour(api, bob, settings, document):
    length = len(json.dumps({"specification": json.loads(document)}))
    settings.SEARCHED_BYTES_HOUR = 2 * length + 10
    client = api()
    assert [search(client, document).status_code for _ in range(3)] == [201, 201, 429]
    assert search(client, document).json()["code"] == "too-much-searched" and search(api(bob), document).status_code == 201
    assert search(api(), document, REMOTE_ADDR="2.2.2.2").status_code == 201


def test_a_full_room_takes_searches_a_little_longer_and_then_none(api, bob, settings, document):
    settings.QUOTA_BYTES = 10 * len(document)
    client = api(bob)
    codes = []
    for number in range(12):
        given = json.loads(document)
        given["semantic"] = given.get("semantic", {}) | {"description": f"no {number}"}  # other bytes each time
        codes.append(search(client, json.dumps(given)).status_code)
    assert 201 in codes and codes[-1] == 507 and codes == sorted(codes)
    assert search(client, document).json()["code"] == "over-quota" and search(api(), document).status_code == 201


def test_the_oldest_of_nobodys_searches_go_where_all_of_them_take_too_much(alice, settings, document):
    rows = []
    for number in range(5):
        given = json.loads(document)
        given["semantic"] = given.get("semantic", {}) | {"description": f"no {number}"}
        rows.append(services.match(user=alice if number == 0 else None, specification=json.dumps(given).encode(), filters={}))
    settings.MATCH_BYTES = 2 * rows[-1].specification.size + 50
    assert pruning.prune() == 2 and set(Match.objects.values_list("pk", flat=True)) == {rows[0].pk, rows[3].pk, rows[4].pk}
    assert pruning.prune() == 0


@pytest.mark.parametrize("came", ["", "0/min", "60", "60/year", "-1/s", "60 / min"])
def test_a_rate_that_is_none_is_refused_at_the_start(monkeypatch, came):
    from django.core.exceptions import ImproperlyConfigured

    from marketplace import env

    monkeypatch.setenv("MOORAGE_RATE_SEARCHES", came)
    if not came:
        assert env.rate("MOORAGE_RATE_SEARCHES", "60/min") == "60/min"
        return
    with pytest.raises(ImproperlyConfigured, match="60/min"):
        env.rate("MOORAGE_RATE_SEARCHES", "60/min")
