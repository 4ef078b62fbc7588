"""What is old goes, what is not stays, and the audit log stays whole."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from marketplace.accounts import audit, devices, notices, organisations, services, tasks
from marketplace.accounts.models import ApiToken, Attempt, DeviceGrant, Invitation, Letter, Notification

pytestmark = pytest.mark.django_db


def days_ago(count: int):
    return timezone.now() - timedelta(days=count)


def test_old_notices_go(alice):
    for words, created, read in (("read long ago", 100, 91), ("read of late", 100, 89), ("old", 366, None), ("not that old", 364, None)):
        notices.tell(alice, "usable", words)
        Notification.objects.filter(words=words).update(created=days_ago(created), read=days_ago(read) if read else None)
    tasks.prune()
    assert set(Notification.objects.values_list("words", flat=True)) == {"read of late", "not that old"}


def test_so_does_everything_else_that_ended(client, alice, bob):
    for name, expiry in (("ended long ago", 31), ("ended of late", 29)):
        token, _ = services.create_token(alice, name, ["read"])
        ApiToken.objects.filter(pk=token.pk).update(expiry=days_ago(expiry))
    devices.ask("laptop", ["read"])
    DeviceGrant.objects.update(expires=days_ago(2))
    harbour = organisations.create(by=alice, username="harbour")
    organisations.invite(harbour, alice, username="bob", role="reader")
    Invitation.objects.update(created=days_ago(61))
    client.force_login(alice)
    Session.objects.update(expire_date=days_ago(1))
    Attempt.objects.create(key="x", failures=1, last=days_ago(1))
    Letter.objects.create(kind="reset", address="a@example.org")
    Letter.objects.update(created=days_ago(3))
    before = audit.end()
    tasks.prune()
    assert list(ApiToken.objects.values_list("name", flat=True)) == ["ended of late"]
    assert not any(model.objects.exists() for model in (DeviceGrant, Invitation, Session, Attempt, Letter))
    assert audit.end() == before and not list(audit.faults())


def test_the_clock_rings_for_it(settings):
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} >= {"marketplace.accounts.tasks.prune", "marketplace.accounts.tasks.post"}
