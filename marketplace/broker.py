"""The filesystem broker, with messages that are whole or not there, and workers that outlive their children.

Kombu's own opens a message's file under its final name and then writes to it: a worker that looks in between takes an empty message, can not parse it and
stops. Here a message is written under another name and renamed.

Kombu's own is also synchronous, and for such brokers Celery's pool gives work to all children over one pipe with one lock: an idle child holds the lock while it waits, so one that is killed
(by the system's memory killer, say) takes it along, and no other child is ever given work again. With an event loop each child has a pipe of its own, and a killed one is replaced.
"""

import json
import logging
import os
import uuid
from pathlib import Path
from queue import Empty
from time import monotonic
from typing import Any

from kombu.exceptions import ChannelError, OperationalError
from kombu.transport import filesystem

log = logging.getLogger(__name__)
AT_ONCE = 20  # messages taken in at one tick
COMPLAIN_S = 10.0
# What a broker says that is away, full or not as it should be. The row is the job: a doorbell that fails is rung again by the reaper.
NO_BELL = (OperationalError, ChannelError, OSError)


class Channel(filesystem.Channel):
    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:
        folder = Path(self.data_folder_out)
        # No name that ends in a queue's: nobody takes it for a message.
        draft = folder / f".{uuid.uuid4()}.part"
        try:
            draft.write_bytes(json.dumps(payload).encode())
            os.replace(draft, folder / f"{round(monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg")
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise ChannelError(f"A message could not be written to {folder}: {error.strerror}.") from error

    def _get(self, queue: str) -> dict[str, Any]:
        try:
            return super()._get(queue)
        except ValueError:
            # Cut short by a full disk or a power cut before this broker wrote whole ones. The row is the job: it is found without its message.
            log.error("a message in the queue %s was no message; it was left out", queue)
            raise Empty from None


class Transport(filesystem.Transport):
    Channel = Channel
    implements = filesystem.Transport.implements.extend(asynchronous=True)

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Look for messages at each tick of the worker's own loop; Celery cancels the timer with the connection."""
        loop.call_repeatedly(self.polling_interval or 1.0, self._look)

    def _look(self) -> None:
        try:
            for _ in range(AT_ONCE):
                self.cycle.get(self._deliver)
        except Empty:
            pass
        except (OSError, ChannelError) as error:
            if monotonic() - self._complained > COMPLAIN_S:
                self._complained = monotonic()
                log.error("the queue can not be read (%s); it is tried again", error)

    _complained = -COMPLAIN_S
