"""Moderation under /admin/: who gets there, what is decided, and who hears of it."""

import re

import numpy as np
import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from marketplace.accounts.models import Notification
from marketplace.catalog import talking
from marketplace.catalog.models import Report, Version
from marketplace.errors import Refused
from tests.marketplace.rows import homes, offered, table

ROWS = ("report", "version", "learnware", "comment")


@pytest.fixture
def mona(db, django_user_model):
    """A moderator: staff, and nothing more."""
    return django_user_model.objects.create_user("mona", password="mona-has-a-boat", is_staff=True)


@pytest.fixture
def flats(alice):
    return offered(alice, "flats", homes(), table(np.random.default_rng(0)))


def act(client, rows: str, action: str, *chosen):
    data = {"action": action, "_selected_action": [str(row.pk) for row in chosen]}
    return client.post(reverse(f"admin:catalog_{rows}_changelist"), data, follow=True)


def heard(user) -> list[str]:
    return list(Notification.objects.filter(recipient=user).values_list("words", flat=True))


def test_an_upheld_report_withdraws_what_is_usable_and_both_sides_hear_of_it(client, mona, alice, bob, flats):
    report = talking.complain(flats.learnware, bob, reason="wrong", words="It answers one class.")
    client.force_login(mona)
    queue = client.get(reverse("admin:catalog_report_changelist"), follow=True).content.decode()
    assert "It answers one class." in queue and "alice/flats" in queue and "bob" in queue
    assert act(client, "report", "uphold", report).status_code == 200
    report.refresh_from_db()
    assert (report.state, report.decided_by, report.decided is None) == ("upheld", mona, False)
    assert Version.objects.get(pk=flats.pk).status == "withdrawn"
    assert any("agreed" in words for words in heard(bob)) and any("is withdrawn" in words for words in heard(alice))
    assert LogEntry.objects.get().user == mona
    queue = client.get(reverse("admin:catalog_report_changelist"), follow=True).content.decode()
    assert "It answers one class." not in queue


def test_an_upheld_report_on_a_comment_hides_it_and_leaves_the_learnware(client, mona, bob, charlie, flats):
    comment = talking.say(flats.learnware, bob, "Buy my boat.")
    report = talking.complain(flats.learnware, charlie, reason="spam", comment=comment)
    client.force_login(mona)
    act(client, "report", "uphold", report)
    comment.refresh_from_db()
    assert comment.is_hidden and Version.objects.get(pk=flats.pk).status == "usable"
    assert any("is hidden" in words for words in heard(bob))


def test_a_dismissed_report_changes_nothing_and_the_reporter_hears_of_it(client, mona, alice, bob, flats):
    report = talking.complain(flats.learnware, bob, reason="spam")
    client.force_login(mona)
    act(client, "report", "dismiss", report)
    report.refresh_from_db()
    assert report.state == "dismissed" and Version.objects.get(pk=flats.pk).status == "usable"
    assert heard(bob) and not any("moderator" in words for words in heard(alice))


def test_a_report_is_decided_once(mona, bob, flats):
    report = talking.complain(flats.learnware, bob, reason="spam")
    talking.dismiss(report, mona)
    with pytest.raises(Refused, match="already"):
        talking.uphold(Report.objects.get(pk=report.pk), mona)
    with pytest.raises(Refused, match="moderators"):
        talking.dismiss(report, bob)


@pytest.mark.parametrize("rows", ROWS)
def test_nobody_but_staff_gets_there(client, bob, mona, flats, rows):
    address = reverse(f"admin:catalog_{rows}_changelist")
    assert client.get(address).status_code == 302
    client.force_login(bob)
    assert client.get(address).status_code == 302 and "login" in client.get(address).url
    client.force_login(mona)
    assert client.get(address, follow=True).status_code == 200


def test_a_stranger_can_not_decide_by_post(client, bob, flats):
    report = talking.complain(flats.learnware, bob, reason="spam")
    client.force_login(bob)
    act(client, "report", "uphold", report)
    report.refresh_from_db()
    assert report.state == "open"


def test_refused_checks_stand_with_their_reason(client, mona, flats):
    Version.objects.filter(pk=flats.pk).update(status="refused", refusal={"code": "signature-lies", "message": "It lies.", "hint": ""})
    client.force_login(mona)
    page = client.get(reverse("admin:catalog_version_changelist"), {"status": "refused"}).content.decode()
    assert "signature-lies: It lies." in page and "alice/flats@1.0.0" in page


def test_what_is_immutable_can_only_be_looked_at(client, mona, flats):
    client.force_login(mona)
    for rows, row in (("version", flats), ("learnware", flats.learnware)):
        address = reverse(f"admin:catalog_{rows}_change", args=[row.pk])
        page = client.get(address).content.decode()
        assert not re.search(r"<(input|select|textarea)[^>]*name=\"(?!csrf|_|q)", page.split('id="content-main"')[1])
        client.post(address, {"number": "9.9.9", "name": "other", "title": "Other"})
        assert client.get(reverse(f"admin:catalog_{rows}_delete", args=[row.pk])).status_code == 403
    flats.refresh_from_db()
    assert (flats.number, flats.learnware.name, flats.title) == ("1.0.0", "flats", "Flats")


def test_comments_are_hidden_and_shown_again(client, mona, bob, flats):
    comment = talking.say(flats.learnware, bob, "words")
    client.force_login(mona)
    for action, hidden in (("hide", True), ("show", False)):
        act(client, "comment", action, comment)
        comment.refresh_from_db()
        assert comment.is_hidden is hidden
    assert LogEntry.objects.count() == 2


def test_people_are_there_for_those_with_the_right(client, mona, bob, django_user_model):
    address = reverse("admin:accounts_user_changelist")
    client.force_login(mona)
    assert client.get(address).status_code == 403
    client.force_login(django_user_model.objects.create_superuser("root", password="root-has-a-boat"))
    assert client.get(address).status_code == 200 and client.get(reverse("admin:accounts_user_change", args=[bob.pk])).status_code == 200
    assert client.get(reverse("admin:accounts_user_add")).status_code == 200
