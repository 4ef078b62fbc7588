"""Fill a market with the demo's learnwares, through the same services that a visitor uses."""

import json
import os
import secrets
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction

from marketplace.accounts.models import User
from marketplace.accounts.services import create_token
from marketplace.catalog import services
from marketplace.catalog.models import Version
from marketplace.demo import packing, recipes
from marketplace.demo.offers import Offer

REQUESTER = "ria"
Progress = Callable[[str, int, int], None]


def is_needed() -> bool:
    """True for an empty market, and for one whose seeding was broken off."""
    if not credentials_file().exists():
        return not Version.objects.exists()
    return bool(_missing())


def seed(progress: Progress = lambda name, done, total: None) -> int:
    """Train and offer what is not in the market yet; returns how many. Doing it twice is doing it once."""
    people()
    missing, offered = _missing(), 0
    for family in recipes.every():
        if not any(offer.reference in missing for offer in family.offers):
            continue
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="sklearn")  # small networks stop at a fixed number of epochs
            for trained in packing.train(family):
                if trained.offer.reference in missing:
                    progress(trained.offer.reference, offered, len(missing))
                    _offer(trained)
                    offered += 1
    return offered


def people() -> dict[str, dict[str, str]]:
    """{name: {"password", "token"}} of the demo's users, made at the first call with random secrets, kept in a file of mode 0600."""
    path = credentials_file()
    if path.exists():
        return json.loads(path.read_text())
    owners = sorted({offer.owner for family in recipes.every() for offer in family.offers})
    with transaction.atomic():
        found = {name: _person(name) for name in [REQUESTER, *owners]}
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            json.dump(found, file, indent=1)
    return found


def credentials_file() -> Path:
    return settings.HOME / "credentials.json"


def _person(name: str) -> dict[str, str]:
    password = secrets.token_urlsafe(9)
    user, _ = User.objects.get_or_create(username=name)
    user.set_password(password)
    user.save()
    return {"password": password, "token": create_token(user, "demo", ["read", "upload", "run"], 365)[1]}


def _missing() -> dict[str, Offer]:
    held = {f"{owner}/{name}" for owner, name in Version.objects.exclude(status=Version.Status.CHECKING).values_list("learnware__owner__username", "learnware__name")}
    return {offer.reference: offer for family in recipes.every() for offer in family.offers if offer.reference not in held}


def _offer(trained: packing.Trained) -> None:
    from marketplace.catalog import worker  # starts the sandbox, which the web does without

    owner = User.objects.get(username=trained.offer.owner)
    waiting = Version.objects.filter(learnware__owner=owner, learnware__name=trained.offer.name).first()
    if waiting is None:
        with tempfile.TemporaryDirectory(prefix="moorage-seed-") as scratch:
            folder = packing.pack(trained, Path(scratch))
            manifest = (folder / "learnware.json").read_bytes()
            name = json.loads(manifest)["model"]["file"]
            waiting = services.submit(
                owner=owner, manifest=manifest, model=ContentFile((folder / name).read_bytes(), name=name),
                specification=(folder / "specification.json").read_bytes(),
            )
    worker.check(waiting.pk)
    waiting.refresh_from_db()
    if waiting.status == Version.Status.REFUSED:
        raise RuntimeError(f"The demo's own {waiting} was refused: {waiting.refusal}")
