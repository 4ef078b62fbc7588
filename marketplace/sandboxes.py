"""How strong the sandboxes of the workers are: each worker tries once, before its pool is forked, and says so every few minutes; the web tells whoever asks."""

import logging
import socket
import time
from typing import Any

from django.core.cache import cache
from django.core.checks import Tags, Warning, register
from django.db import connection

log = logging.getLogger(__name__)
KEY, KEPT_S, EVERY_S = "moorage.sandboxes", 900, 300
ORDER = ("refuses", "none", "l1", "full")


def find_level() -> None:
    """Try which level this machine gives, in the process that the pool's children are forked from: they inherit the answer, and a restart asks anew."""
    from reuse.sandbox import probe

    probe.level()


def inherit_level() -> None:
    """In a child of the pool: take the level that was found, but no refusal. What failed once, on a busy machine perhaps, is tried again here, and refused again if it must be."""
    from reuse.sandbox import probe

    if not probe.level().may_run:
        probe.forget()


def announce() -> None:
    """Log this machine's level, and say it where the web reads it."""
    from reuse.sandbox import probe

    inherit_level()
    found = probe.level()
    log.log(logging.INFO if found.name in ("l1", "full") else logging.ERROR, "sandbox: %s", found)
    said = {host: entry for host, entry in (cache.get(KEY) or {}).items() if entry["until"] > time.time()}
    cache.set(KEY, said | {socket.gethostname(): {"level": found.name or "refuses", "until": time.time() + KEPT_S}}, KEPT_S)


def go_on_announcing(timer: Any) -> None:
    """Announce now and again, by the timer of the worker's own process."""
    _announce()
    timer.call_repeatedly(EVERY_S, _announce)


def _announce() -> None:
    try:
        announce()
    except Exception:  # a cache that can not be reached is no reason to stop working
        log.exception("the sandbox's level was not announced")
    finally:
        connection.close()  # children may be forked from this process at any time


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
