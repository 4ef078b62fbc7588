"""Where torch computes, and what happens when its memory runs short.

Nothing here loads torch until it is called.
"""

import os
from collections.abc import Callable
from typing import Any

from reuse.errors import ReuseError

VARIABLE = "MOORAGE_DEVICE"
CPU_IS_FULL = ("can't allocate memory", "not enough memory")  # the CPU's allocator raises a RuntimeError that only its words tell apart


heard: list[str] = []  # what happened in this process; a child of the sandbox sends it home


def hear(sentence: str) -> None:
    """Remember a sentence for whoever asks for `heard`."""
    if sentence not in heard:
        heard.append(sentence)


def pick(wanted: str = "auto") -> Any:
    """The torch.device to compute on: CUDA where there is one.

    `wanted` is auto, cpu, cuda or cuda:N; for auto, MOORAGE_DEVICE in the environment may name one of the others. Raises ReuseError for
    another word, and for a CUDA device that is not there.
    """
    import torch

    asked = os.environ.get(VARIABLE, "").strip() or "auto" if wanted == "auto" else wanted
    kind, _, number = asked.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and not (kind == "cuda" and number.isdigit())):
        hint = f"It comes from {VARIABLE}." if wanted == "auto" else ""
        raise ReuseError("wrong-device", f"The device must be auto, cpu, cuda or cuda:N; got {asked!r}.", hint)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cpu" or (kind == "auto" and not count):
        return torch.device("cpu")
    if int(number or 0) >= count:
        raise ReuseError("wrong-device", f"{asked} was asked for; this machine offers {count} CUDA devices.", "Say cpu, or auto.")
    return torch.device("cuda", int(number or 0))


def is_full(error: BaseException) -> bool:
    """Whether an error says that a device's memory is exhausted."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or (isinstance(error, RuntimeError) and any(words in str(error) for words in CPU_IS_FULL))


def in_batches(function: Callable[[Any], Any], rows: Any, *, size: int, device: Any, note: Callable[[str], None] = lambda sentence: None) -> Any:
    """function(part) of every part of `rows` (n, ...), joined, on the CPU: (n, ...).

    A part has at most `size` rows and stands on `device`; `function` answers where its part stands, so it has to move its weights there:
    `lambda part: module.to(part.device)(part)`. Where the memory runs out the parts are halved, down to one row, and after that the
    CPU takes over; `note` is told. Raises ReuseError where one row is too much for the CPU too.
    """
    import torch

    device, least, done, at = torch.device(device), size, [], 0
    while at < len(rows) or not done:  # no rows at all: one empty part says what shape the answer has
        try:
            answer = function(rows[at : at + least].to(device)).cpu()
        except RuntimeError as error:
            if not is_full(error):
                raise
            answer = None  # out of the handler first: the traceback holds the tensors that fill the memory
        if answer is None:
            device, least = shrink(min(least, len(rows) - at), size, device, note)
            continue
        done.append(answer)
        at += least
    return torch.cat(done)


def shrink(least: int, size: int, device: Any, note: Callable[[str], None]) -> tuple[Any, int]:
    """The device and batch to try after `least` rows were too many; `size` is what the CPU starts with."""
    import torch

    if least > 1:
        note(f"The memory of {device.type} did not hold a batch of {least:,} rows: it was halved.")
        return device, least // 2
    if device.type == "cpu":
        raise ReuseError("out-of-memory", "One row must fit into the memory together with the model; it does not, on the CPU either.",
                         "Take a smaller model, or a machine with more memory.")
    torch.cuda.empty_cache()
    note(f"The memory of {device.type} did not hold a single row: the CPU took over, which takes longer.")
    return torch.device("cpu"), size
