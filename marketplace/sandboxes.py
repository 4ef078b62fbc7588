"""How strong the sandboxes of the workers are: each says so when it starts and every few minutes, the web tells whoever asks."""

import logging
import socket
import threading
import time

from django.core.cache import cache
from django.core.checks import Tags, Warning, register
from django.db import connection

log = logging.getLogger(__name__)
KEY, KEPT_S, EVERY_S = "moorage.sandboxes", 900, 300
ORDER = ("refuses", "none", "l1", "full")


def announce() -> None:
    """Log this machine's level, and say it where the web reads it."""
    from reuse.sandbox import probe

    found = probe.level()
    log.log(logging.INFO if found.name in ("l1", "full") else logging.ERROR, "sandbox: %s", found)
    said = {host: entry for host, entry in (cache.get(KEY) or {}).items() if entry["until"] > time.time()}
    cache.set(KEY, said | {socket.gethostname(): {"level": found.name or "refuses", "until": time.time() + KEPT_S}}, KEPT_S)


def go_on_announcing() -> None:
    """Announce now and again from a thread, as long as this process lives."""
    threading.Thread(target=_forever, name="sandbox-level", daemon=True).start()


def _forever() -> None:
    while True:
        try:
            announce()
        except Exception:  # a cache that can not be reached is no reason to stop working
            log.exception("the sandbox's level was not announced")
        finally:
            connection.close()
        time.sleep(EVERY_S)


def announced() -> dict[str, object]:
    """{"level": the weakest among the workers' machines, "machines": how many of each}; unknown before the first worker has said anything."""
    levels = [entry["level"] for entry in (cache.get(KEY) or {}).values() if entry["until"] > time.time()]
    if not levels:
        return {"level": "unknown", "machines": {}}
    return {"level": min(levels, key=ORDER.index), "machines": {level: levels.count(level) for level in ORDER if level in levels}}


@register(Tags.security)
def lowered(app_configs: object, **_: object) -> list[Warning]:
    """A market whose operator has taken the walls away is told so at every start."""
    from django.conf import settings

    if settings.SANDBOX_LEVEL != "none":
        return []
    return [Warning(
        "MOORAGE_SANDBOX_LEVEL is none: the models of strangers run with limits alone, and nothing keeps them from this machine's files and network.",
        hint="Leave the variable out on Linux; keep none for a machine of your own where all models are yours (docs/operations.md).", id="moorage.W001",
    )]
