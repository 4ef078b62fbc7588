"""Rows of a catalog for tests of what stands above it: usable versions, without the check that makes them so."""

import numpy as np

import specs
from marketplace.accounts import organisations
from marketplace.catalog import artifacts
from marketplace.catalog.models import Change, Learnware, Space, Version


def table(rng: np.random.Generator, shift: float = 0.0, n: int = 400) -> dict[str, np.ndarray]:
    """Homes: two numeric columns and a town; `shift` moves the area, in standard deviations."""
    return {
        "area": rng.normal(size=n) + shift,
        "rooms": rng.normal(size=n),
        "town": rng.choice(["Bonn", "Kiel"], size=n),
    }


def homes() -> specs.Space:
    return specs.Space.from_table(table(np.random.default_rng(0)), name="homes")


def requirement(space: specs.Space, frame: dict, labels: object = None, **semantic: str) -> bytes:
    words = {"name": "", "description": "", **semantic}
    rkme = specs.describe(frame, space, points=30)
    if labels is not None:
        rkme = specs.attach(rkme, space.encode(frame), labels)
    return specs.Specification(space, rkme, words).to_bytes()


def publish(space: specs.Space, founder=None) -> Space:
    return Space.objects.get_or_create(
        pk=space.id, defaults={"name": space.name, "kind": space.kind, "document": space.to_json(), "founder": founder}
    )[0]


def offered(
    owner,
    name: str,
    space: specs.Space,
    frame: dict,
    *,
    number: str = "1.0.0",
    task: str = "classification",
    target: str = "kind",
    output: dict | None = None,
    licence: str = "Apache-2.0",
    model: bytes = b"not a model",
    manifest: dict | None = None,
    format: str = "safetensors",
    merge_family: str = "",
    status: str = Version.Status.USABLE,
    labels: object = None,
) -> Version:
    """A version as the check leaves it: usable, the latest of its learnware, in the change log."""
    row = publish(space, owner)
    output = output or {"kind": "classes", "target": target, "classes": ["flat", "house"]}
    stored = artifacts.put(model)
    document = requirement(space, frame, labels, task=task, target=target)
    learnware, _ = Learnware.objects.get_or_create(owner=owner, name=name)
    learnware.versions.update(is_latest=False)
    version = Version.objects.create(
        learnware=learnware,
        number=number,
        title=name.title(),
        status=status,
        is_latest=status == Version.Status.USABLE,
        space=row,
        task=task,
        target=target,
        format=format,
        licence=licence,
        merge_family=merge_family,
        manifest=manifest or {"output": output, "model": {"file": "model.bin"}},
        words=f"{name} {target}",
        model=artifacts.row(stored),
        specification=artifacts.row(artifacts.put(document)),
    )
    Change.objects.create(version=version, space=row)
    return version


def join(organisation, by, *, username: str, role: str):
    """A member, as one becomes it: invited by an admin, and accepting."""
    invitation = organisations.invite(organisation, by, username=username, role=role)
    return organisations.accept(invitation, invitation.user)
