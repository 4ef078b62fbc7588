"""The clock of the workers: its tasks wait behind no job."""

from django.conf import settings

from marketplace import clock
from marketplace.celery import app


def test_what_the_clock_sends_waits_behind_no_job(monkeypatch):
    sent = []
    monkeypatch.setattr(app, "send_task", lambda name, **options: sent.append((name, options["queue"], options["expires"])))
    clock._send(app, "reap jobs", "marketplace.jobs.tasks.reap", 10.0)
    clock._send(app, "sweep artifacts", "marketplace.catalog.tasks.sweep", 3600.0)
    assert sent == [("marketplace.jobs.tasks.reap", settings.CLOCK_QUEUE, 30), ("marketplace.catalog.tasks.sweep", settings.CLOCK_QUEUE, 3600.0)]
    assert settings.CLOCK_QUEUE != settings.CELERY_TASK_DEFAULT_QUEUE


def test_the_clock_keeps_no_connection_that_children_could_inherit(monkeypatch):
    given, open_then = [], []

    def send(name, *, connection, **options):
        connection.connect()
        given.append(connection)
        open_then.append(connection.connected)

    monkeypatch.setattr(app, "send_task", send)
    for _ in range(2):
        clock._send(app, "reap jobs", "marketplace.jobs.tasks.reap", 10.0)
    assert open_then == [True, True] and len({id(connection) for connection in given}) == 2 and not any(connection.connected for connection in given)


def test_every_worker_hears_both_queues():
    assert set(app.amqp.queues.consume_from) == {settings.CELERY_TASK_DEFAULT_QUEUE, settings.CLOCK_QUEUE}


def test_a_broker_that_is_down_does_not_stop_the_clock(monkeypatch):
    def down(*args, **options):
        raise ConnectionRefusedError()

    monkeypatch.setattr(app, "send_task", down)
    clock._send(app, "reap jobs", "marketplace.jobs.tasks.reap", 10.0)
