"""Ten thousand requests that schemathesis makes from the API's description, and hostile strings in every place: none is answered with a 5xx.

    python -m tests.soak.api_fuzz --examples 10000
    MOORAGE_DATABASE_URL=postgres://… python -m tests.soak.api_fuzz        a database of its own there

Half of the requests are as the description says, half as it forbids; what they change stays, so later ones meet a fuller market. Django's whole stack answers, in this
process. Prints counts, and each request that broke something, with what it was; exits 1 when one did.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests import services


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="Operations whose path holds this.")
    asked = parser.parse_args()
    own, forget = services.own()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        os.environ |= {"MOORAGE_HOME": str(Path(folder)), "DJANGO_SETTINGS_MODULE": "marketplace.settings", "MOORAGE_RATE_TOKENS": "1000000/min",
                       "MOORAGE_RATE_DEVICE": "1000000/min", "MOORAGE_RATE_SEARCHES": "1000000/min", "MOORAGE_MATCH_MB_HOUR": "1000000", "MOORAGE_LOG_LEVEL": "CRITICAL", "MOORAGE_ALLOWED_HOSTS": "testserver"} | own
        try:
            found = soak(asked.examples, asked.seed, asked.only)
        finally:
            from django.db import connections

            connections.close_all()
            forget()
    print(json.dumps(found, indent=2))
    return 1 if found["broken"] or found["hostile"]["broken"] else 0


def soak(examples: int, seed: int, only: str) -> dict:
    import django

    django.setup()
    logging.disable(logging.CRITICAL)  # ten thousand refusals are no news
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    from django.db import connection
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis.errors import Unsatisfiable

    from marketplace.accounts.models import User
    from marketplace.accounts.services import create_token
    from tests import fuzzing

    def token() -> str:
        person, _ = User.objects.get_or_create(username="alice", is_active=True)
        return create_token(person, "fuzz", ["read", "upload", "run", "admin"])[1]

    asking = fuzzing.client(token())
    operations = [operation for operation in fuzzing.operations() if only in operation.path]
    counts: Counter[str] = Counter()
    broken: dict[str, str] = {}
    each = max(1, -(-examples // (2 * len(operations))))
    began = time.monotonic()
    for number, operation in enumerate(operations):
        for mode, strategy in zip(("allowed", "forbidden"), fuzzing.strategies(operation), strict=True):

            @seeded(seed + number)
            @settings(max_examples=each, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
            @given(strategy)
            def run(case):
                nonlocal asking
                answer = fuzzing.ask(asking, case)
                counts[f"{mode} {answer.status_code // 100}xx"] += 1  # noqa: B023  it runs before the next turn
                if fuzzing.broke(answer):
                    broken[f"{case.method} {case.formatted_path} {case.query} {case.body!r:.500}"] = f"{answer.status_code} {answer.content[:200]!r}"
                if answer.status_code == 401:  # it has revoked its own token: a new one
                    asking = fuzzing.client(token())

            try:
                run()
            except Unsatisfiable:  # nothing is forbidden in it
                counts[f"nothing {mode}"] += 1
        print(f"{number + 1}/{len(operations)} {operation.method.upper()} {operation.path} {dict(counts)}", file=sys.stderr)
    fuzzed_s = time.monotonic() - began
    hostile: Counter[str] = Counter()
    hostile_broken: dict[str, str] = {}
    asking = fuzzing.client(token())
    for what, method, path, query, body in fuzzing.hostile():
        answer = fuzzing.send(asking, method, path, query, body)
        hostile[f"{answer.status_code // 100}xx"] += 1
        if fuzzing.broke(answer):
            hostile_broken[f"{what}: {method} {path}?{query}"] = f"{answer.status_code}"
        if answer.status_code == 401:
            asking = fuzzing.client(token())
    return {"database": connection.vendor, "operations": len(operations), "requests": sum(count for name, count in counts.items() if "xx" in name), "seconds": round(fuzzed_s), "answers": dict(counts),
            "broken": broken, "hostile": {"requests": sum(hostile.values()), "answers": dict(hostile), "broken": hostile_broken}}


if __name__ == "__main__":
    sys.exit(main())
