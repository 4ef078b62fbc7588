"""What people say of a learnware, by the services and over REST: likes, comments, the owner's card, reports."""

import numpy as np
import pytest

from marketplace.accounts.models import Membership, Notification, User
from marketplace.catalog import fulltext, talking
from marketplace.catalog.models import Comment, Learnware, Report, Version
from marketplace.errors import Refused
from tests.marketplace.rows import homes, offered, table

PATH = "/api/v1/learnwares/alice/flats"


@pytest.fixture
def flats(alice):
    return offered(alice, "flats", homes(), table(np.random.default_rng(0))).learnware


@pytest.fixture
def private(flats):
    Learnware.objects.filter(pk=flats.pk).update(visibility=Learnware.Visibility.PRIVATE)
    return flats


def test_a_like_counts_once_and_can_be_taken_back(flats, bob, charlie):
    assert talking.like(flats, bob) == 1
    assert talking.like(flats, bob) == 1
    assert talking.like(flats, charlie) == 2
    assert talking.unlike(flats, bob) == 1
    assert talking.unlike(flats, bob) == 1
    assert Learnware.objects.get(pk=flats.pk).likes_count == flats.likes.count() == 1


def test_a_comment_is_rendered_and_the_owner_is_told(flats, alice, bob):
    comment = talking.say(flats, bob, "It **works**.\r\n")
    assert comment.words == "It **works**." and comment.html == "<p>It <strong>works</strong>.</p>\n"
    notice = Notification.objects.get(recipient=alice)
    assert "bob" in notice.words and notice.address.endswith("#discussion")
    talking.say(flats, alice, "Thank you.")
    assert Notification.objects.count() == 1


@pytest.mark.parametrize("words", ["", "  \n ", "x" * 5_001])
def test_a_comment_has_words_and_not_too_many(flats, bob, words):
    with pytest.raises(Refused, match="1 to 5,000"):
        talking.say(flats, bob, words)


def test_thirty_comments_a_minute_and_no_more(flats, bob, charlie):
    for n in range(talking.A_MINUTE):
        talking.say(flats, bob, str(n))
    with pytest.raises(Refused) as refused:
        talking.say(flats, bob, "one more")
    assert refused.value.status == 429
    talking.say(flats, charlie, "somebody else")


def test_whoever_wrote_a_comment_changes_and_deletes_it_and_nobody_else(flats, alice, bob, charlie):
    comment = talking.say(flats, bob, "first")
    talking.reword(comment, bob, "second")
    assert comment.edited and "second" in comment.html
    for stranger in (alice, charlie):
        with pytest.raises(Refused):
            talking.reword(comment, stranger, "mine")
        with pytest.raises(Refused):
            talking.unsay(comment, stranger)
    talking.unsay(comment, bob)
    assert not Comment.objects.exists()


def test_a_hidden_comment_is_seen_by_its_author_and_the_owner(flats, alice, bob, charlie):
    comment = talking.say(flats, bob, "rude")
    with pytest.raises(Refused):
        talking.hide(comment, charlie)
    talking.hide(comment, alice)
    seen = {who.username: talking.comments(flats, who).count() for who in (alice, bob, charlie)}
    assert seen == {"alice": 1, "bob": 1, "charlie": 0}


def test_a_writer_of_the_organisation_edits_its_card(bob, charlie):
    organisation = User.objects.create(username="harbour", kind=User.Kind.ORGANISATION)
    Membership.objects.create(organisation=organisation, user=bob, role=Membership.Role.WRITER)
    Membership.objects.create(organisation=organisation, user=charlie, role=Membership.Role.READER)
    held = offered(organisation, "flats", homes(), table(np.random.default_rng(0))).learnware
    talking.write_card(held, bob, "# New\n\nWords.")
    assert "<h2>New</h2>" in held.card_html and held.card_edited
    talking.write_card(held, bob, " ")
    assert held.card_html == "" and held.card_edited is None
    with pytest.raises(Refused):
        talking.write_card(held, charlie, "mine")
    with pytest.raises(Refused, match="at most"):
        talking.write_card(held, bob, "x" * 70_000)


def test_a_thing_is_reported_once_while_it_waits(flats, bob):
    talking.complain(flats, bob, reason="wrong", words="It answers one class.")
    with pytest.raises(Refused) as refused:
        talking.complain(flats, bob, reason="spam")
    assert refused.value.status == 409
    comment = talking.say(flats, bob, "words")
    talking.complain(flats, bob, reason="spam", comment=comment)
    assert Report.objects.count() == 2


def test_likes_over_rest(api, flats, bob):
    client = api(bob)
    assert client.put(f"{PATH}/like").json() == {"likes": 1, "liked": True}
    assert client.get(f"{PATH}/1.0.0").json()["likes"] == 1
    assert client.delete(f"{PATH}/like").json() == {"likes": 0, "liked": False}
    assert api().put(f"{PATH}/like").status_code == 401
    assert api(bob, ["read"]).put(f"{PATH}/like").status_code == 403


def test_comments_over_rest(api, flats, bob, charlie):
    made = api(bob).post(f"{PATH}/comments", {"words": "# Fine"}, format="json")
    assert made.status_code == 201 and made.json()["author"] == "bob"
    found = api().get(f"{PATH}/comments").json()
    assert found["count"] == 1 and found["results"][0]["words"] == "# Fine" and "<h4>" in found["results"][0]["html"]
    one = f"{PATH}/comments/{made.json()['id']}"
    assert api(charlie).delete(one).status_code == 403
    assert api(bob).patch(one, {"words": "Fine."}, format="json").json()["edited"]
    assert api(bob).delete(one).status_code == 204
    assert api(bob).delete(one).status_code == 404


def test_too_many_comments_over_rest_say_when_to_come_back(api, flats, bob):
    for n in range(talking.A_MINUTE):
        talking.say(flats, bob, str(n))
    answer = api(bob).post(f"{PATH}/comments", {"words": "more"}, format="json")
    assert answer.status_code == 429 and answer["Retry-After"] == "60" and answer.json()["hint"]


def test_reports_over_rest(api, flats, bob, charlie):
    comment = talking.say(flats, bob, "spam")
    asked = {"reason": "spam", "words": "Advertising.", "comment": str(comment.pk)}
    assert api(charlie).post(f"{PATH}/report", asked, format="json").status_code == 201
    assert api(charlie).post(f"{PATH}/report", asked, format="json").status_code == 409
    assert api(charlie).post(f"{PATH}/report", {"reason": "dull"}, format="json").status_code == 400
    assert api(charlie).post(f"{PATH}/report", asked | {"comment": "6f2b1c1e-0000-4000-8000-000000000000"}, format="json").status_code == 404
    assert Report.objects.get().comment == comment


@pytest.mark.parametrize(("method", "path"), [("put", "like"), ("get", "comments"), ("post", "comments"), ("post", "report"), ("get", "1.0.0/tensors"), ("get", "compare/1.0.0...1.0.0")])
def test_what_is_private_is_not_there_for_strangers(api, private, charlie, method, path):
    answer = getattr(api(charlie), method)(f"{PATH}/{path}", {"words": "x", "reason": "spam"}, format="json")
    assert answer.status_code == 404 and answer.json()["code"]


def test_search_by_words_follows_the_card_that_is_shown(alice):
    version = offered(alice, "flats", homes(), table(np.random.default_rng(0)), manifest={"name": "flats", "card": "of the harbour", "output": {}, "model": {"file": "model.bin"}})

    def found(text):
        return list(fulltext.narrow(Version.objects.all(), text))

    talking.write_card(version.learnware, alice, "Of the Lighthouse")
    assert found("lighthouse") == [version] and found("harbour") == [] and found("flats") == [version]
    talking.write_card(version.learnware, alice, "")
    assert found("lighthouse") == [] and found("harbour") == [version]
