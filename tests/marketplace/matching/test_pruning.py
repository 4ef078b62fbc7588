"""Searches that nobody signed in for go with time, and nothing else does."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from marketplace.catalog import artifacts
from marketplace.catalog.models import Artifact
from marketplace.jobs.models import ReuseJob
from marketplace.matching import pruning, services, tasks
from marketplace.matching.models import Match
from tests.marketplace.rows import homes, offered, requirement, table

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(alice):
    """Makes a match that is so many days old."""
    space, rng = homes(), np.random.default_rng(3)
    offered(alice, "at-0", space, table(rng))

    def make(days, user=None):
        row = services.match(user=user, specification=requirement(space, table(rng)), filters={})
        Match.objects.filter(pk=row.pk).update(created=timezone.now() - timedelta(days=days))
        row.refresh_from_db()
        return row

    return make


def left():
    return set(Match.objects.values_list("pk", flat=True))


def test_what_nobody_signed_in_for_goes_after_its_days(asked, bob, settings):
    settings.MATCH_DAYS = 30
    asked(31)
    stays = {asked(29).pk, asked(400, bob).pk}
    tasks.prune()
    assert left() == stays


def test_what_a_job_was_made_of_stays(client, asked, bob):
    worked = asked(100)
    ReuseJob.objects.create(owner=bob, match=worked, space=worked.space)
    assert pruning.prune() == 0 and left() == {worked.pk}
    assert "It is kept until" not in client.get(worked.get_absolute_url()).content.decode()


def test_many_go_in_several_transactions(asked, monkeypatch):
    monkeypatch.setattr(pruning, "AT_ONCE", 2)
    for _ in range(5):
        asked(100)
    assert pruning.prune() == 5 and not left()


def test_its_bytes_go_with_the_next_sweep(asked):
    row = asked(100)
    sha256 = row.specification_id
    pruning.prune()
    Artifact.objects.filter(pk=sha256).update(created=timezone.now() - timedelta(days=2))
    artifacts.sweep()
    assert not Artifact.objects.filter(pk=sha256).exists()


def test_the_page_says_until_when(client, asked, bob, settings):
    settings.MATCH_DAYS = 30
    row = asked(0)
    until = timezone.localdate(row.created + timedelta(days=30))
    words = f"It is kept until {until.day} {until:%b %Y}"
    assert words in client.get(row.get_absolute_url()).content.decode()
    assert "It is kept until" not in client.get(asked(0, bob).get_absolute_url()).content.decode()


def test_the_clock_rings_for_it(settings):
    assert "marketplace.matching.tasks.prune" in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
