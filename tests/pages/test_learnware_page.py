"""The page of a learnware in each of its states, and the forms on it; they work without htmx, and in place with it."""

import re

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone

from marketplace.catalog import cards, talking
from marketplace.catalog.models import Comment, Learnware, Report, Version
from tests.marketplace.rows import homes, offered, table

HTMX = {"HTTP_HX_REQUEST": "true"}
WHOSE = ["alice", "flats"]


@pytest.fixture
def flats(alice):
    rng = np.random.default_rng(0)
    first = offered(alice, "flats", homes(), table(rng), merge_family="ab" * 32)
    Version.objects.update(checked=timezone.now(), report={"points": 30, "tensors": [{"name": "head.weight", "dtype": "F32", "shape": [2, 3]}]})
    offered(alice, "flats", homes(), table(rng, 0.1), number="1.10.0")
    offered(alice, "flats", homes(), table(rng, 0.2), number="1.9.0", status=Version.Status.CHECKING)
    Version.objects.filter(number="1.10.0").update(is_latest=True)
    return first.learnware


def page(client, path: str = "", status: int = 200) -> str:
    answer = client.get(f"/learnwares/alice/flats/{path}")
    assert answer.status_code == status
    return answer.content.decode()


def test_the_page_says_what_it_is_and_what_was_tested(client, flats, django_assert_max_num_queries):
    with django_assert_max_num_queries(20):
        html = page(client, "1.0.0/")
    for words in ("alice/flats@1.0.0", "safetensors: numbers only, no code", "checks passed", "mergeable, family", "one row alone answered as among others", "30 points", "head.weight", "2 × 3",
                  "What it gives away", "No evaluation", "Nobody has said anything yet"):
        assert words in html, words
    assert html.count("<h1") == 1 and not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|<style|\son\w+=\"", html)


def test_every_tab_is_a_link_to_a_section_of_the_page(client, flats):
    html = page(client)
    tabs = re.findall(r'role="tab" href="#([a-z]+)"', html)
    assert {"card", "specification", "evaluation", "files", "versions", "lineage", "discussion"} <= set(tabs)
    assert all(f'id="{tab}" role="tabpanel"' in html for tab in tabs)


def test_numbers_order_as_numbers_and_a_newer_version_says_how_far_its_data_moved(client, flats):
    html = page(client)
    assert "alice/flats@1.10.0" in html and "Beside version 1.0.0" in html and "1.9.0" not in html


def test_a_private_and_gated_learnware_says_so(client, alice, bob, flats):
    Learnware.objects.update(is_gated=True)
    client.force_login(bob)
    html = page(client)
    assert "gated" in html and "Ask for access" in html and "download>" not in html.split("</header>")[1].split("tab-content")[0]
    Learnware.objects.update(visibility="private")
    page(client, status=404)
    client.force_login(alice)
    assert "private" in page(client)


def test_a_like_is_a_form_and_htmx_swaps_it_in_place(client, bob, flats):
    address = reverse("like", args=WHOSE)
    assert client.post(address).status_code == 302 and not flats.likes.exists()
    client.force_login(bob)
    assert client.post(address, {"like": "1"}).url == flats.get_absolute_url()
    assert 'aria-pressed="true"' in page(client)
    part = client.post(address, {"like": "0"}, **HTMX).content.decode()
    assert 'aria-pressed="false"' in part and "<html" not in part and not flats.likes.exists()


def test_a_comment_is_written_changed_hidden_and_deleted(client, alice, bob, charlie, flats):
    client.force_login(bob)
    assert client.post(reverse("comment", args=WHOSE), {"words": "It **works**"}).url.endswith("#discussion")
    comment = Comment.objects.get()
    one = [*WHOSE, comment.pk]
    assert "<strong>works</strong>" in page(client) and "1 comment" in page(client)
    assert client.get(reverse("comment-edit", args=one)).status_code == 200
    assert client.post(reverse("comment-edit", args=one), {"words": ""}).status_code == 422
    assert client.post(reverse("comment-edit", args=one), {"words": "It rusts"}).status_code == 302
    assert "It rusts" in page(client) and "edited" in page(client)
    client.force_login(charlie)
    assert client.get(reverse("comment-edit", args=one)).status_code == 403
    client.post(reverse("comment-delete", args=one))
    client.post(reverse("comment-hide", args=one))
    assert Comment.objects.filter(is_hidden=False).count() == 1
    client.force_login(alice)
    client.post(reverse("comment-hide", args=one))
    client.logout()
    assert "It rusts" not in page(client)
    client.force_login(bob)
    part = client.post(reverse("comment-delete", args=one), **HTMX).content.decode()
    assert 'id="talk"' in part and not Comment.objects.exists()


def test_a_refused_comment_keeps_what_was_written(client, bob, flats):
    client.force_login(bob)
    part = client.post(reverse("comment", args=WHOSE), {"words": "x" * 5_001}, **HTMX).content.decode()
    assert "1 to 5,000" in part and "x" * 5_001 in part
    assert "1 to 5,000" in client.post(reverse("comment", args=WHOSE), {"words": " "}, follow=True).content.decode()


def test_comments_come_in_pages_in_both_orders(client, flats, bob):
    Comment.objects.bulk_create(Comment(learnware=flats, author=bob, words=f"nr {n}", html=f"<p>nr {n}.</p>") for n in range(60))
    first, newest = page(client), page(client, "?comments=newest")
    assert "60 comments" in first and "Page 1 of 2" in first and "nr 0." in first and "nr 59." not in first
    assert "nr 59." in newest and "nr 0." not in newest


def test_a_learnware_and_a_comment_can_be_reported(client, bob, charlie, flats):
    comment = talking.say(flats, bob, "Buy my boat.")
    client.force_login(charlie)
    address = reverse("report", args=WHOSE)
    assert client.post(address, {}).status_code == 422
    assert client.post(address, {"reason": "wrong", "words": "Says nothing."}).status_code == 302
    assert client.post(address, {"reason": "wrong"}).status_code == 409
    assert "Buy my boat." in client.get(f"{address}?comment={comment.pk}").content.decode()
    assert client.post(f"{address}?comment={comment.pk}", {"reason": "spam"}).status_code == 302
    assert {report.comment_id for report in Report.objects.all()} == {None, comment.pk}
    for wrong in ("x", "6f2b1c1e-0000-4000-8000-000000000000"):
        assert client.get(f"{address}?comment={wrong}").status_code == 404


def test_the_owner_writes_a_card_after_a_preview_and_the_versions_own_stays(client, alice, bob, flats):
    Version.objects.update(card_html="<p>As it was.</p>", card_made=cards.MADE)
    address = reverse("card", args=WHOSE)
    client.force_login(bob)
    assert client.get(address).status_code == 403
    client.force_login(alice)
    assert client.get(address).status_code == 200
    for extra in ({}, HTMX):
        shown = client.post(address, {"card": "# News", "preview": "1"}, **extra).content.decode()
        assert "<h2>News</h2>" in shown and Learnware.objects.get().card == ""
    assert client.post(address, {"card": "# News"}).status_code == 302
    assert "<h2>News</h2>" in page(client) and "As it was." not in page(client) and "own card" in page(client)
    assert "As it was." in page(client, "?card=version")
    client.post(address, {"card": ""})
    assert "As it was." in page(client)


def test_two_versions_are_compared_on_a_page(client, flats):
    html = page(client, "compare/1.0.0...1.10.0/")
    assert "What changed from" in html and "MMD" in html and "The same card." in html
    assert client.get("/learnwares/alice/flats/compare/", {"old": "1.0.0", "new": "1.10.0"}).url.endswith("compare/1.0.0...1.10.0/")
    assert "Compare two versions" in page(client, "compare/")
    for wrong in ("1.0.0...9.9.9/", "1.0.0...1.9.0/"):
        page(client, f"compare/{wrong}", status=404)
