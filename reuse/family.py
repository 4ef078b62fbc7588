"""Who can be merged with whom, and the merging itself: tensor by tensor, from safetensors to safetensors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reuse.errors import ReuseError
from reuse.formats import safetensors as files
from reuse.plan import Member


def split(members: list[Member], base: Member | None, needs_base: bool) -> tuple[list[Member], Member | None]:
    """(the fine-tuned members, their common base); raises ReuseError with the reason when they can not be merged.

    The base is the one given, or that member from which the others say they were fine-tuned.
    """
    if any(member.manifest.format != "safetensors" for member in members):
        raise ReuseError("not-mergeable", "Only safetensors models of one architecture can be merged; some members are of another format.",
                         "Take an ensemble: it combines any formats.")
    declared = [_base_of(member) for member in members]
    if base is None:
        base = next((m for m in members if any(_names(m, other) for other in declared if other)), None)
    tuned = [member for member in members if base is None or member.reference != base.reference]
    if base is not None and not all(_names(base, _base_of(member)) for member in tuned):
        raise ReuseError("other-base", "All members must be fine-tuned from one base; some name another or none.",
                         "Averaging weights of different origins gives chance accuracy: take an ensemble.")
    if base is None and (None in declared or len({str(sorted(d.items())) for d in declared}) > 1):
        raise ReuseError("other-base", "Models trained from different starts can not be merged: measured, 10 to 17 % accuracy where each had 70.",
                         "Take an ensemble, or models that name the same base.")
    if needs_base and base is None:
        raise ReuseError("no-base", "This method needs the base that the members were fine-tuned from; it is not in the market.",
                         "Use merge/average, or offer the base.")
    if not tuned:
        raise ReuseError("nothing-to-merge", "A merge needs at least one fine-tuned model besides the base.")
    heads = {frozenset(member.manifest.classes) for member in [*tuned, *([base] if base else [])]}
    if len(heads) > 1:
        raise ReuseError("other-classes", "Heads are merged only where the classes agree; these members know different ones.",
                         "Take an ensemble: it aligns by class names.")
    return tuned, base


def merge(tuned: list[Member], base: Member | None, function: Callable[..., Any], params: dict[str, Any], path: Path) -> Member:
    """Write the merged model to `path`, one tensor in memory at a time; returns it as a member like the first.

    Accumulates in float32 and writes the first member's types. Tensors of whole numbers are taken from the first.
    Head rows are put into the first member's class order by name.
    """
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    first = tuned[0]
    everyone = [*tuned, *([base] if base else [])]
    for member in everyone:
        files.check(member.path, member.manifest)
    opened = [safe_open(member.path, framework="pt") for member in everyone]
    names = sorted(opened[0].keys())
    if any(sorted(handle.keys()) != names for handle in opened):
        raise ReuseError("other-family", "Members must have the same tensors; they do not.", "Take an ensemble.")
    merged = {}
    for name in names:
        tensors = [_ordered(handle.get_tensor(name), name, member, first) for handle, member in zip(opened, everyone, strict=True)]
        if len({tuple(t.shape) for t in tensors}) > 1:
            raise ReuseError("other-family", f"Members must have tensors of the same shapes; {name!r} differs.", "Take an ensemble.")
        if not tensors[0].is_floating_point():
            merged[name] = tensors[0]
            continue
        origin = tensors[-1].float() if base else tensors[0].float()
        deltas = torch.stack([t.float() - origin for t in tensors[: len(tuned)]])
        merged[name] = (origin + function(deltas, **params)).to(tensors[0].dtype).contiguous()
    save_file(merged, path)
    return first


def _ordered(tensor: Any, name: str, member: Member, first: Member) -> Any:
    """A head's rows in the first member's class order."""
    if not name.startswith("head.") or not member.manifest.is_classifier or member.manifest.classes == first.manifest.classes:
        return tensor
    return tensor[[member.manifest.classes.index(c) for c in first.manifest.classes]]


def _base_of(member: Member) -> dict[str, str] | None:
    return member.manifest.base


def _names(base: Member, declared: dict[str, str] | None) -> bool:
    """Whether a declared base means this member."""
    if not declared:
        return False
    return declared.get("learnware") == base.reference or declared.get("sha256") == base.manifest.model["sha256"]
