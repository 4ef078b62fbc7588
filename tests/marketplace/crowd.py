"""Many connections that do one thing at once, in a market of their own; prints what came of it as JSON.

    python -m tests.marketplace.crowd audit 3 6 25    for three accounts six threads, each appends 25 events to the audit log
    python -m tests.marketplace.crowd keys 3 6 25     the same with tokens that are made, changed and revoked, offers and shares
    python -m tests.marketplace.crowd uploads 1 6 5   six threads, each begins 5 uploads of 1 MB
    python -m tests.marketplace.crowd offers 1 6 5    six threads, each has the bytes of 5 versions reserved and written

The accounts are there before; each process waits for the file `go` in MOORAGE_HOME, so that several begin together.
"""

import hashlib
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")


def audit(user, number: int) -> str:
    """An event in the transaction of what it speaks of, as services write it; some transactions fail after it, and take it with them."""
    from django.db import transaction

    from marketplace.accounts import audit
    from marketplace.accounts.models import User

    try:
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(title=f"{os.getpid()} {number}")
            audit.note("signed-in", actor=user, object=f"{os.getpid()}:{threading.get_ident()}:{number}", words="ä “é” 0.1")
            if number % 5 == 4:
                raise ArithmeticError
    except ArithmeticError:
        return "undone"
    return "done"


def keys(user, number: int) -> str:
    """What takes rows in several orders: a token is made, changed and revoked by several at once, while its person's row is held by whoever offers, and a learnware is shared and unshared."""
    from django.db import transaction

    from marketplace.accounts import audit, services
    from marketplace.accounts.models import ApiToken, User
    from marketplace.catalog import access, quota
    from marketplace.catalog.models import Learnware
    from marketplace.errors import Refused

    learnware = Learnware.objects.select_related("owner").get()
    try:
        match number % 5:
            case 0:
                services.create_token(user, "crowd", ["read"])
            case 1:
                for token in ApiToken.objects.filter(user=user).order_by("created")[:1]:
                    services.change_token(token, name=f"crowd {number}")
            case 2:
                for token in ApiToken.objects.filter(user=user).order_by("created")[:1]:
                    services.revoke_token(token)
            case 3:
                with transaction.atomic():
                    quota.reserve(user, {})
                    audit.note("offered", actor=user)
            case 4:
                guests = list(User.objects.filter(username__startswith="crowd").exclude(pk=learnware.owner_id).values_list("username", flat=True))
                access.change(learnware, learnware.owner, shared_with=guests[:: 1 + number % 2])
    except Refused:
        pass  # somebody was faster
    return "done"


def uploads(user, number: int) -> str:
    from marketplace.catalog import uploading
    from marketplace.errors import Refused

    try:
        uploading.begin(owner=user, size=1 << 20, name=f"{number}.onnx")
    except Refused as refusal:
        return refusal.code
    return "done"


def offers(user, number: int) -> str:
    """The part of an offer that reserves: bytes of its own, under the lock of its owner's row."""
    from django.db import transaction

    from marketplace.catalog import quota
    from marketplace.catalog.models import Artifact, Learnware, Space, Version
    from marketplace.errors import Refused

    digest = hashlib.sha256(f"{os.getpid()} {threading.get_ident()} {number}".encode()).hexdigest()
    try:
        with transaction.atomic():
            quota.reserve(user, {digest: 1 << 20})
            artifact = Artifact.objects.create(sha256=digest, size=1 << 20)
            Version.objects.create(learnware=Learnware.objects.get(owner=user), number=digest[:40], space=Space.objects.get(), manifest={}, model=artifact, specification=artifact)
    except Refused as refusal:
        return refusal.code
    return "done"


def main(what: Callable, people: int, threads: int, each: int) -> dict:
    from django.conf import settings
    from django.db import DatabaseError, connections

    from marketplace.accounts.models import User

    users = list(User.objects.filter(username__startswith="crowd").order_by("pk")[:people])

    def go_on(mine: int) -> list[str]:
        said = []
        try:
            for number in range(each):
                try:
                    said.append(what(users[mine % len(users)], number))
                except DatabaseError as error:
                    said.append(f"{type(error).__name__}: {error}")
        finally:
            connections.close_all()
        return said

    Path(settings.HOME, f"ready-{os.getpid()}").touch()
    while not Path(settings.HOME, "go").exists():
        time.sleep(0.005)
    with ThreadPoolExecutor(threads) as pool:
        return dict(Counter(word for said in pool.map(go_on, range(threads)) for word in said))


if __name__ == "__main__":
    django.setup()
    print(json.dumps(main({"audit": audit, "keys": keys, "uploads": uploads, "offers": offers}[sys.argv[1]], *map(int, sys.argv[2:]))))
