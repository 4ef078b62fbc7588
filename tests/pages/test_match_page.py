"""The page of a match and the request board, as a visitor sees them: without script everything is a link or a form."""

import json
import re

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from marketplace.jobs.models import ReuseJob
from marketplace.matching import index, services, wanting
from marketplace.matching.models import Wanted
from tests.marketplace.rows import homes, offered, requirement, table

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def fresh_index():
    index.forget()
    yield
    index.forget()


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def match(alice, bob, rng):
    space = homes()
    for shift in (0, 2, 5):
        offered(alice, f"at-{shift}", space, table(rng, shift), licence="MIT" if shift == 2 else "Apache-2.0")
    return services.match(user=bob, specification=requirement(space, table(rng, 1.0), target="kind"), filters={})


def test_the_page_says_scores_regions_and_columns(client, match, django_assert_max_num_queries):
    with django_assert_max_num_queries(40):
        page = client.get(match.get_absolute_url()).content.decode()
    for words in ("By chance (p)", "Who covers which part of your data", "The mixture together", "Take out", "Over each other", "How to read this", "Sign in and start", "members", "curl"):
        assert words in page, words
    assert re.search(r'<th scope="row"[^>]*>(area|town|rooms)', page) and 'class="num shade-' in page
    assert not re.search(r"\sstyle=|<style|\son\w+=\"|<script(?![^>]*\bsrc=)", page)


def test_a_member_taken_out_is_gone_and_the_address_keeps_it(client, bob, match):
    address = match.get_absolute_url() + "?without=alice/at-2@1.0.0"
    page = client.get(address).content.decode()
    assert "The mixture that you chose" in page and "taken out" in page and "Take the best mixture again" in page
    part = client.get(reverse("match-mixture", args=[match.pk]) + "?without=alice/at-2@1.0.0", headers=HTMX)
    assert part.content.decode().count("hx-swap-oob") == 3  # a stranger's page has no form of a job
    client.force_login(bob)
    part = client.get(reverse("match-mixture", args=[match.pk]) + "?without=alice/at-2@1.0.0", headers=HTMX)
    body = part.content.decode()
    assert part["HX-Push-Url"] == address and "<html" not in body and body.count("hx-swap-oob") == 5
    members = json.loads(re.search(r'id="id_members" value="([^"]*)"', body)[1].replace("&quot;", '"'))
    assert "alice/at-2@1.0.0" not in {m["reference"] for m in members} and sum(m["weight"] for m in members) == pytest.approx(1, abs=1e-4)
    assert client.get(reverse("match-mixture", args=[match.pk]) + "?without=alice/at-2@1.0.0").url == address


def test_a_job_takes_exactly_the_members_that_were_chosen(client, bob, match):
    client.force_login(bob)
    chosen = [{"reference": "alice/at-0@1.0.0", "weight": 0.25}, {"reference": "alice/at-5@1.0.0", "weight": 0.75}]
    answer = client.post(reverse("jobs"), {"match": str(match.pk), "members": json.dumps(chosen), "method": "ensemble/routed"})
    job = ReuseJob.objects.get()
    assert answer.url == job.get_absolute_url() and job.match == match and job.requirement_id == match.specification_id
    assert [(m.version.reference, m.weight) for m in job.members.all()] == [("alice/at-0@1.0.0", 0.25), ("alice/at-5@1.0.0", 0.75)]
    assert client.post(reverse("jobs"), {"match": str(match.pk), "members": "{"}).url == match.get_absolute_url() and ReuseJob.objects.count() == 1


def test_filters_stand_in_the_address_and_an_empty_answer_names_the_one_to_drop(client, match):
    page = client.get(match.get_absolute_url(), {"licence": "MIT"}).content.decode()
    assert "Licence: MIT" in page and page.count('<span class="rank num">') == 1 and "alice/at-2@1.0.0" in page
    empty = client.get(match.get_absolute_url(), {"licence": "MIT", "format": "onnx"}).content.decode()
    assert "No learnware passes. Loosen the filters." in empty and "removed the last 1 hit." in empty and "Take format away" in empty
    assert client.get(match.get_absolute_url(), {"top": "x"}).status_code == 422


def test_a_model_is_asked_for_and_the_request_ended(client, bob, charlie, match):
    client.force_login(charlie)
    assert client.get(reverse("request-ask", args=[match.pk])).status_code == 404
    client.force_login(bob)
    assert reverse("request-ask", args=[match.pk]) in client.get(match.get_absolute_url()).content.decode()
    assert client.post(reverse("request-ask", args=[match.pk]), {"title": ""}).status_code == 422
    answer = client.post(reverse("request-ask", args=[match.pk]), {"title": "Flats", "task": "classification", "target": "kind", "words": "<b>soon</b>", "is_anonymous": "on"})
    wanted = Wanted.objects.get()
    assert answer.url == wanted.get_absolute_url()
    page = client.get(answer.url).content.decode()
    assert "&lt;b&gt;soon" in page and "End the request" in page and reverse("upload") + f"?request={wanted.pk}" in page
    client.force_login(charlie)
    page = client.get(answer.url).content.decode()
    assert "End the request" not in page and "bob" not in page and str(match.pk) not in page
    assert client.post(reverse("request-close", args=[wanted.pk])).status_code == 403
    client.force_login(bob)
    assert client.post(reverse("request-close", args=[wanted.pk]), {"other": "nobody/none"}).status_code == 422
    assert client.post(reverse("request-close", args=[wanted.pk]), {"met_by": "alice/at-0@1.0.0"}).status_code == 302
    assert "Met by" in client.get(answer.url).content.decode() and client.post(reverse("request-close", args=[wanted.pk])).status_code == 409


def test_where_nothing_stands_in_the_space_no_filter_is_blamed(client, bob, match):
    from marketplace.catalog.models import Version

    Version.objects.update(status=Version.Status.WITHDRAWN, is_latest=False)
    empty = services.match(user=bob, specification=requirement(homes(), table(np.random.default_rng(0)), target="kind"), filters={"target": "kind"})
    client.force_login(bob)
    page = client.get(empty.get_absolute_url()).content.decode()
    assert "Nothing here fits" in page and reverse("request-ask", args=[empty.pk]) in page and "Loosen the filters" not in page


def test_the_board_lists_filters_and_has_an_empty_state(client, bob, match, rng):
    assert "Nobody asks for anything" in client.get(reverse("requests")).content.decode()
    wanting.ask_for(owner=bob, match=match, title="Flats of Bonn", task="classification", target="kind")
    page = client.get(reverse("requests")).content.decode()
    assert "Flats of Bonn" in page and "Nearest now" in page
    assert "No request passes" in client.get(reverse("requests"), {"q": "castle"}).content.decode()


def test_a_version_says_which_requests_it_would_serve(client, alice, bob, charlie, match, rng):
    near = offered(alice, "near", homes(), table(rng, 1.0))
    address = reverse("requests-served", args=["alice", "near", "1.0.0"])
    assert client.get(address).content == b""
    wanting.ask_for(owner=bob, match=match, title="Flats of Bonn", task="classification", target="kind")
    assert "This model would serve 1 open request" in client.get(address).content.decode()
    client.force_login(alice)
    assert "Your model would serve 1 open request" in client.get(address).content.decode()
    near.learnware.visibility = "private"
    near.learnware.save()
    client.force_login(charlie)
    assert client.get(address).status_code == 404


def test_ones_own_learnwares_say_which_requests_they_would_serve_and_not_ones_own(client, alice, bob, match, rng):
    offered(alice, "near", homes(), table(rng, 1.0))
    address = reverse("requests-served-mine")
    client.force_login(alice)
    assert client.get(address).content == b""
    wanting.ask_for(owner=bob, match=match, title="Flats of Bonn", task="classification", target="kind")
    assert "Flats of Bonn" in client.get(address).content.decode() and address in client.get(reverse("mine")).content.decode()
    client.force_login(bob)
    offered(bob, "twin", homes(), table(rng, 1.0))
    assert client.get(address).content == b""


def test_a_table_taken_for_its_outline_is_sent_to_the_right_door(client):
    answer = client.post(reverse("match"), {"specification": SimpleUploadedFile("task.csv", b"a,b\n1,2\n")})
    assert answer.status_code == 422 and "Is it the data itself?" in answer.content.decode() and "not-json" in answer.content.decode()


def test_an_offer_says_which_request_it_answers(client, alice, bob, match):
    wanted = wanting.ask_for(owner=bob, match=match, title="Flats of <Bonn>", task="classification", target="kind", is_anonymous=True)
    client.force_login(alice)
    assert f"?request={wanted.pk}" in client.get(wanted.get_absolute_url()).content.decode()
    page = client.get(reverse("upload"), {"request": str(wanted.pk)}).content.decode()
    part = reverse("request-answered", args=[wanted.pk])
    assert f'hx-get="{part}"' in page and f'data-request="{wanted.pk}"' in page
    words = client.get(part).content.decode()
    assert "Flats of &lt;Bonn&gt;" in words and wanted.get_absolute_url() in words and "bob" not in words
    assert "hx-get" not in client.get(reverse("upload"), {"request": "nonsense"}).content.decode().split("data-offer")[0].split("<main")[1]
    wanted.close()
    assert client.get(part).content == b""
