"""Who can be merged with whom: one architecture, one base, one list of classes; and members as checkpoints that agree."""

from typing import Any

import numpy as np

from reuse.errors import ReuseError
from reuse.formats import safetensors as files
from reuse.plan import Member
from reuse.weights import Checkpoint

HEAD = "head."


def split(members: list[Member], base: Member | None, needs_base: bool) -> tuple[list[Member], Member | None]:
    """(the fine-tuned members, their common base); raises ReuseError with the reason when they can not be merged.

    The base is the one given, or that member from which the others say they were fine-tuned.
    """
    other = next((member for member in members if member.manifest.format != "safetensors"), None)
    if other is not None:
        raise ReuseError("not-mergeable", f"Only safetensors models of one architecture can be merged; {other.reference} is {other.manifest.format}.",
                         "Take an ensemble: it combines any formats.")
    if base is None:
        base = next((m for m in members if any(_names(m, other.manifest.base) for other in members)), None)
    tuned = [member for member in members if base is None or member.reference != base.reference]
    if base is not None:
        for member in tuned:
            if not _names(base, member.manifest.base):
                raise ReuseError("other-base", f"All members must be fine-tuned from {base.reference}; {member.reference} names {_said(member)}.",
                                 "Averaging weights of different origins gives chance accuracy: take an ensemble.")
    else:
        for member in tuned:
            if member.manifest.base is None or member.manifest.base != tuned[0].manifest.base:
                raise ReuseError("other-base", "Models trained from different starts can not be merged: measured, 10 to 17 % accuracy where each had 70. "
                                 f"{tuned[0].reference} names {_said(tuned[0])}, {member.reference} names {_said(member)}.",
                                 "Take an ensemble, or models that name the same base.")
    if needs_base and base is None:
        raise ReuseError("no-base", f"This method needs the base that the members were fine-tuned from, {_said(tuned[0])}; it is not in the market.",
                         "Use merge/average, or offer the base.")
    if not tuned:
        raise ReuseError("nothing-to-merge", "A merge needs at least one fine-tuned model besides the base.")
    first = tuned[0]
    for member in [*tuned, *([base] if base else [])]:
        if _architecture(member) != _architecture(first):
            raise ReuseError("other-family", f"Members must have one architecture; {first.reference} and {member.reference} differ.", "Take an ensemble: it combines any models.")
        if frozenset(member.manifest.classes) != frozenset(first.manifest.classes):
            raise ReuseError("other-classes", f"Heads are merged only where the classes agree; {first.reference} and {member.reference} know different ones.",
                             "Take an ensemble: it aligns by class names.")
    return tuned, base


def opened(members: list[Member], first: Member) -> list[Checkpoint]:
    """The members' files, their heads in the class order and the unit of `first`."""
    found = []
    for member in members:
        files.check(member.path, member.manifest)
        checkpoint = Checkpoint.open(member.path, member.reference)
        for name, layout in checkpoint.layouts.items():
            if name.startswith(HEAD) and layout.is_floating:
                changed = _head(checkpoint.values(name), name, member, first)
                if changed is not None:
                    checkpoint.changed[name] = changed
        found.append(checkpoint)
    return found


def _head(values: np.ndarray, name: str, member: Member, first: Member) -> np.ndarray | None:
    """A head's rows by class name, or its answers in the other's location and scale; None where both agree already."""
    if member.manifest.is_classifier:
        if member.manifest.classes == first.manifest.classes or values.shape[:1] != (len(member.manifest.classes),):
            return None
        return values[[member.manifest.classes.index(c) for c in first.manifest.classes]]
    (location, scale), (first_location, first_scale) = _scale(member), _scale(first)
    if (location, scale) == (first_location, first_scale):
        return None
    return values * (scale / first_scale) + ((location - first_location) / first_scale if name.endswith(".bias") else 0)


def in_the_order_of(first: Member, member: Member, statistics: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A member's squared gradients of the head, in the class order and the unit of `first`; inner products of inputs need nothing."""
    found = dict(statistics)
    for name, values in statistics.items():
        kind, _, tensor = name.partition("/")
        if kind != "fisher" or not tensor.startswith(HEAD):
            continue
        if not member.manifest.is_classifier:
            found[name] = values * (_scale(first)[1] / _scale(member)[1]) ** 2
        elif values.shape[:1] == (len(member.manifest.classes),):
            found[name] = values[[member.manifest.classes.index(c) for c in first.manifest.classes]]
    return found


def _scale(member: Member) -> tuple[float, float]:
    config = member.manifest.model["architecture"]["config"]
    return float(config.get("output_location", 0.0)), float(config.get("output_scale", 1.0))


def _architecture(member: Member) -> Any:
    architecture = member.manifest.model["architecture"]
    return architecture["name"], {k: v for k, v in architecture["config"].items() if not k.startswith("output_")}


def _names(base: Member, declared: dict[str, str] | None) -> bool:
    """Whether a declared base means this member."""
    if not declared:
        return False
    return declared.get("learnware") == base.reference or declared.get("sha256") == base.manifest.model["sha256"]


def _said(member: Member) -> str:
    base = member.manifest.base
    return str(next(iter(base.values())))[:80] if base else "no base"
