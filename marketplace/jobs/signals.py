"""What a Celery worker does when it starts: find its sandbox's level, announce it and its methods, warm up, and never outlive its parent."""

import logging
import os
import threading
import time
from typing import Any

from celery.signals import worker_init, worker_process_init, worker_ready
from django.db import DatabaseError, connection

from marketplace import sandboxes
from marketplace.jobs import methods

log = logging.getLogger(__name__)


@worker_init.connect
def find_level(**_: Any) -> None:
    sandboxes.find_level()  # before the pool is forked


@worker_ready.connect
def announce(sender: Any = None, **_: Any) -> None:
    try:
        methods.announce()
    except DatabaseError:
        log.exception("the reuse methods were not announced; the web reads the registry instead")
    finally:
        connection.close()  # the pool's children are forked from this process
    if sender is not None:
        sandboxes.go_on_announcing(sender.timer)


@worker_process_init.connect
def prepare(**_: Any) -> None:
    threading.Thread(target=_die_with_parent, args=(os.getppid(),), name="orphan-watch", daemon=True).start()
    threading.Thread(target=_warm, name="warm", daemon=True).start()


def _die_with_parent(parent: int) -> None:
    """A child whose worker was killed must not go on unseen, beside the worker that replaces it.

    Looked at once a second: the kernel's own signal (PR_SET_PDEATHSIG) goes out when the *thread*
    that forked ends, which in a pool also happens while it shuts down politely.
    """
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _warm() -> None:
    """Load torch and start the sandbox's zygote before the first job asks for them."""
    try:
        from marketplace.jobs import worker

        sandboxes.inherit_level()
        worker.warm()
    except Exception:  # a worker that is slow to start is still a worker
        log.exception("warming up failed")
