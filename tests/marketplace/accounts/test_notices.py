"""Notices: who is told, how they are read, and that nobody reads those of others."""

import pytest

from marketplace.accounts import notices, organisations
from marketplace.accounts.models import Notification
from tests.marketplace.rows import join

pytestmark = pytest.mark.django_db


def test_what_a_person_is_told_waits_until_it_is_read(api, alice):
    notices.tell(alice, "usable", "alice/x passed its checks.", "/learnwares/alice/x/")
    client = api(alice)
    said = client.get("/api/v1/notifications").json()
    assert said["unread"] == said["count"] == 1 and said["results"][0]["address"] == "/learnwares/alice/x/"
    assert client.post("/api/v1/notifications/read", {"ids": [said["results"][0]["id"]]}, format="json").json() == {"marked": 1, "unread": 0}
    assert client.get("/api/v1/notifications", {"unread": "true"}).json()["count"] == 0


def test_an_organisation_is_told_through_its_admins(alice, bob, charlie):
    harbour = organisations.create(by=alice, username="harbour")
    join(harbour, alice, username="bob", role="admin")
    join(harbour, alice, username="charlie", role="writer")
    Notification.objects.all().delete()
    notices.tell(harbour, "comment", "Somebody said something.")
    assert set(Notification.objects.values_list("recipient__username", flat=True)) == {"alice", "bob"}


def test_words_that_are_too_long_end_in_dots(alice):
    notices.tell(alice, "refused", "x" * 1000)
    assert Notification.objects.get().words == "x" * 299 + "…"


def test_nobody_reads_or_marks_those_of_others(api, client, alice, bob):
    notices.tell(alice, "usable", "For Alice.", "/mine/")
    theirs = Notification.objects.get()
    assert api(bob).get("/api/v1/notifications").json()["count"] == 0
    assert api(bob).post("/api/v1/notifications/read", {"ids": [str(theirs.pk)]}, format="json").json()["marked"] == 0
    client.force_login(bob)
    assert client.get(f"/notifications/{theirs.pk}/").status_code == 404
    client.post("/notifications/read/", {"id": str(theirs.pk)})
    assert notices.unread(alice) == 1
    assert api().get("/api/v1/notifications").status_code == 401


@pytest.mark.parametrize(("body", "status"), [({}, 200), ({"ids": []}, 200), ({"ids": ["x"]}, 400), ({"ids": "all"}, 400)])
def test_marking_takes_ids_or_all(api, alice, body, status):
    notices.tell(alice, "usable", "One.")
    assert api(alice).post("/api/v1/notifications/read", body, format="json").status_code == status
    assert notices.unread(alice) == (0 if body == {} else 1)


@pytest.mark.parametrize(("address", "leads"), [("/mine/", "/mine/"), ("", "/notifications/"), ("//elsewhere.example/", "/notifications/"), ("https://elsewhere.example", "/notifications/")])
def test_a_notice_leads_to_what_it_speaks_of_and_never_off_the_site(client, alice, address, leads):
    notices.tell(alice, "usable", "Look.", address)
    client.force_login(alice)
    assert client.get(f"/notifications/{Notification.objects.get().pk}/").url == leads
    assert notices.unread(alice) == 0


def test_the_bell_costs_one_query_and_strangers_none(client, alice, django_assert_num_queries, rf):
    from django.contrib.auth.models import AnonymousUser

    request = rf.get("/")
    request.user = AnonymousUser()
    with django_assert_num_queries(0):
        assert notices.bell(request) == {}
    notices.tell(alice, "usable", "One.")
    request.user = alice
    with django_assert_num_queries(1):
        assert int(str(notices.bell(request)["unread_notices"])) == 1
