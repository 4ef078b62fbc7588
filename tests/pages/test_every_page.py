"""Every page in every state answers, with few queries, and shows what it should."""

import pytest
from django.urls import reverse

from marketplace.catalog import worker
from marketplace.catalog.models import Version
from marketplace.matching import index
from tests.marketplace.rows import homes, offered, requirement, table


@pytest.fixture(autouse=True)
def fresh_index():
    index.forget()
    yield
    index.forget()


@pytest.fixture
def rng():
    import numpy as np

    return np.random.default_rng(3)


@pytest.fixture
def catalog(alice, rng):
    space = homes()
    return [offered(alice, f"at-{shift}", space, table(rng, shift)) for shift in (0, 2, 5)]


@pytest.fixture
def match(catalog, bob, rng):
    from marketplace.matching import services

    return services.match(user=bob, specification=requirement(homes(), table(rng, 1.0)), filters={})


@pytest.mark.parametrize("name", ["home", "explore", "match", "sign-in", "sign-up", "api-docs"])
def test_public_pages_open_with_an_empty_catalog(client, db, name):
    assert client.get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", ["upload", "mine", "jobs", "tokens"])
def test_pages_of_ones_own_ask_to_sign_in_first(client, alice, name):
    answer = client.get(reverse(name))
    assert answer.status_code == 302 and reverse("sign-in") in answer.url
    client.force_login(alice)
    assert client.get(reverse(name)).status_code == 200


def test_the_catalog_pages_show_what_is_offered(client, catalog, django_assert_max_num_queries):
    version = catalog[0]
    for address in (reverse("home"), reverse("explore"), version.get_absolute_url(), version.learnware.get_absolute_url(), version.space.get_absolute_url()):
        with django_assert_max_num_queries(20):
            answer = client.get(address)
        assert answer.status_code == 200 and "at-0" in answer.content.decode()


def test_filters_stand_in_the_address(client, catalog):
    page = client.get(reverse("explore"), {"q": "at-2", "task": "classification"}).content.decode()
    assert "at-2" in page and "at-5" not in page
    assert client.get(reverse("explore"), {"q": "no such words"}).status_code == 200


def test_a_specification_is_matched_on_the_page(client, catalog, rng):
    answer = client.post(reverse("match"), {"pasted": requirement(homes(), table(rng, 1.0)).decode()})
    assert answer.status_code == 302
    page = client.get(answer.url).content.decode()
    assert "at-0" in page and "The mixture" in page and "Sign in and start" in page


def test_an_example_is_matched_on_the_page(client, catalog):
    assert client.post(reverse("match"), {"example": catalog[0].reference}).status_code == 302


@pytest.mark.parametrize("pasted", ["", "{", "[]", '{"format": "x"}', "area,rooms\n1,2"])
def test_what_is_no_specification_gets_words(client, catalog, pasted):
    answer = client.post(reverse("match"), {"pasted": pasted})
    assert answer.status_code == 422 and "moorage describe" in answer.content.decode() or "specification" in answer.content.decode()


def test_a_job_starts_on_the_page_of_a_match(client, bob, match):
    client.force_login(bob)
    assert client.get(match.get_absolute_url()).status_code == 200
    answer = client.post(reverse("jobs"), {"match": str(match.pk), "method": "ensemble/routed"})
    assert answer.status_code == 302
    page = client.get(answer.url)
    assert page.status_code == 200 and "Waiting for a worker" in page.content.decode()
    assert client.get(answer.url + "status/").status_code == 200
    assert client.post(answer.url + "cancel/").status_code == 302
    assert "cancelled" in client.get(answer.url).content.decode()
    assert client.get(reverse("jobs")).status_code == 200


def test_somebody_elses_job_is_not_there(client, bob, charlie, match):
    client.force_login(bob)
    address = client.post(reverse("jobs"), {"match": str(match.pk), "method": "ensemble/routed"}).url
    client.force_login(charlie)
    assert client.get(address).status_code == 404
    assert client.post(address + "cancel/").status_code == 404


def test_a_refused_version_is_its_owners_to_see(client, alice, bob, catalog):
    version = catalog[0]
    Version.objects.filter(pk=version.pk).update(
        status="refused", is_latest=False, refusal={"code": "signature-lies", "message": "It lies.", "hint": "Run `moorage convert`."}
    )
    assert client.get(version.get_absolute_url()).status_code == 404
    client.force_login(bob)
    assert client.get(version.get_absolute_url()).status_code == 404
    client.force_login(alice)
    assert "It lies." in client.get(version.get_absolute_url()).content.decode()
    assert "It lies." in client.get(reverse("mine")).content.decode()


def test_a_version_can_be_withdrawn_on_its_page(client, alice, bob, catalog):
    address = catalog[0].get_absolute_url()
    client.force_login(bob)
    assert client.post(address + "withdraw/").status_code == 404
    client.force_login(alice)
    assert client.post(address + "withdraw/").status_code == 302
    assert "Withdrawn" in client.get(address).content.decode()
    assert "at-0" not in client.get(reverse("explore")).content.decode()


def test_a_token_is_shown_once(client, alice):
    client.force_login(alice)
    page = client.post(reverse("tokens"), {"name": "laptop", "scopes": ["read"], "days": 30}).content.decode()
    assert "moor_" in page
    later = client.get(reverse("tokens")).content.decode()
    assert "laptop" in later and page.split("moor_")[1][:20] not in later


def test_a_stranger_registers(client, db, django_user_model):
    answer = client.post(reverse("sign-up"), {"username": "dora", "password1": "a-quiet-harbour", "password2": "a-quiet-harbour"})
    assert answer.status_code == 302 and django_user_model.objects.filter(username="dora").exists()


@pytest.mark.parametrize("address", ["/nothing/", "/learnwares/a/b/", "/jobs/", "/spaces/none/"])
def test_an_unknown_address_is_a_page_with_a_next_step(client, db, address):
    answer = client.get(address)
    assert answer.status_code in (302, 404)
    if answer.status_code == 404:
        assert "Nothing is moored here" in answer.content.decode() and answer["X-Request-ID"] in answer.content.decode()


def test_an_upload_without_words_or_manifest_says_what_is_missing(client, alice):
    client.force_login(alice)
    answer = client.post(reverse("upload"), {})
    assert answer.status_code == 422 and "required" in answer.content.decode()


def test_no_page_lets_a_script_or_style_stand_in_it(client, catalog, match, bob):
    import re

    client.force_login(bob)
    for address in (reverse("home"), reverse("explore"), catalog[0].get_absolute_url(), match.get_absolute_url(), reverse("match"), reverse("upload"), reverse("tokens")):
        answer = client.get(address)
        page = answer.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)", page) and not re.search(r"\sstyle=|<style|\son\w+=\"", page), address
        assert "default-src 'none'" in answer["Content-Security-Policy"]


def test_a_page_follows_the_check(client, alice, catalog):
    version = catalog[0]
    Version.objects.filter(pk=version.pk).update(status="checking")
    client.force_login(alice)
    assert "Being checked" in client.get(version.get_absolute_url()).content.decode()
    assert "Being checked" in client.get(version.get_absolute_url() + "status/").content.decode()
    Version.objects.filter(pk=version.pk).update(status="usable")
    assert client.get(version.get_absolute_url() + "status/")["HX-Refresh"] == "true"
    assert worker is not None
