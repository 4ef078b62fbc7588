"""The filesystem broker: messages come whole, once, in order, however many write and read at the same time."""

import threading
import time
from uuid import uuid4

import pytest
from kombu import Connection

from marketplace.celery import app


@pytest.fixture
def connection(tmp_path):
    for name in ("queue", "control"):
        (tmp_path / name).mkdir()
    options = {"data_folder_in": str(tmp_path / "queue"), "data_folder_out": str(tmp_path / "queue"), "control_folder": str(tmp_path / "control")}
    return lambda: Connection("filesystem://", transport_options=options)


@pytest.fixture
def name():
    """A queue of the test's own: kombu remembers bindings for the whole process."""
    return f"q{uuid4().hex}"


def test_it_is_the_one_that_the_market_uses(connection):
    assert type(connection().transport).__module__ == "marketplace.broker" and app.conf.broker_url


def test_readers_never_meet_half_a_message(connection, name):
    sent, got, errors, over, until = 400, [], [], threading.Event(), time.monotonic() + 60

    def read():
        try:
            with connection() as held, held.SimpleQueue(name) as queue:
                while time.monotonic() < until and (not over.is_set() or queue.qsize()):
                    try:
                        message = queue.get(block=False)
                    except queue.Empty:
                        continue
                    got.append(message.payload["number"])
                    message.ack()
        except Exception as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    with connection() as held, held.SimpleQueue(name) as queue:  # bound first: kombu keeps bindings for the process, and writes them once
        for reader in readers:
            reader.start()
        for number in range(sent):
            queue.put({"number": number, "text": "x" * 20_000})
    over.set()
    for reader in readers:
        reader.join(60)
    assert not errors and sorted(got) == list(range(sent))


def test_a_file_that_is_no_message_is_left_out_and_the_next_one_taken(connection, name, tmp_path, caplog):
    with connection() as held, held.SimpleQueue(name) as queue:
        (tmp_path / "queue" / f"0_cut.{name}.msg").write_bytes(b"")
        queue.put({"number": 1})
        with pytest.raises(queue.Empty):
            queue.get(block=False)
        assert queue.get(block=False).payload == {"number": 1} and "was no message" in caplog.text


def test_a_folder_that_can_not_be_written_says_so_and_leaves_nothing(connection, name, tmp_path, monkeypatch):
    from marketplace import broker

    def full(*_):
        raise OSError(28, "No space left on device")

    with connection() as held, held.SimpleQueue(name) as queue:
        monkeypatch.setattr(broker.os, "replace", full)
        with pytest.raises(Exception, match="No space left on device"):
            queue.put({"number": 1})
    assert not list((tmp_path / "queue").iterdir())
