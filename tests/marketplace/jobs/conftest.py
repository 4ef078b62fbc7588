import numpy as np
import pytest

from marketplace.jobs.models import JobMember, ReuseJob
from marketplace.matching import index
from tests.marketplace.rows import homes, offered, publish, table


@pytest.fixture(scope="package")
def space():
    return homes()


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def members(alice, space, rng):
    return [offered(alice, f"at-{shift}", space, table(rng, shift)) for shift in (0, 3, 6)]


@pytest.fixture
def job(bob, space, members):
    """A job of Bob's over Alice's learnwares, queued."""
    row = ReuseJob.objects.create(owner=bob, space=publish(space), method="ensemble/mean", target="kind")
    JobMember.objects.bulk_create(
        JobMember(job=row, version=version, weight=1 / 3, position=position) for position, version in enumerate(members)
    )
    return row


@pytest.fixture
def doorbells(monkeypatch):
    """Jobs that a doorbell was rung for, instead of ringing it."""
    from marketplace.jobs import tasks

    rung = []
    monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **options: rung.append(args[0]))
    return rung


@pytest.fixture(autouse=True)
def fresh_index():
    """Numbers of changes begin anew when a test is rolled back: an index must not remember those of the last."""
    index.forget()
