"""safetensors with a registered architecture: numbers alone, so these can be merged and fine-tuned too.

The header is checked by our own parser first: the library accepts duplicate keys and NaN.
"""

import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reuse import architectures, formats
from reuse.errors import ReuseError
from specs import SpecError, strict_json

if TYPE_CHECKING:
    from reuse.manifest import Manifest

SUFFIX = ".safetensors"
MAX_HEADER = 1 << 20
MAX_TENSORS = 10_000
MAX_NOTES = 256 * 1024  # characters of __metadata__
BATCH = 8_192  # rows
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
FLOATS = {"F64": np.float64, "F32": np.float32, "F16": np.float16}


def detect(head: bytes, path: Path) -> bool:
    if len(head) < 10:
        return False
    (length,) = struct.unpack("<Q", head[:8])
    return 2 <= length <= 2**32 and head[8:9] == b"{"


def tensors(path: Path) -> list[dict[str, Any]]:
    """[{name, dtype, shape, begin, end}] in the order of the data; raises ReuseError for a header that breaks a rule."""
    size = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
        if not 2 <= length <= MAX_HEADER or 8 + length > size:
            raise _wrong(f"its header must be 2 to {MAX_HEADER:,} bytes and lie within the file; it claims {length:,} of {size:,}.")
        raw = file.read(length)
    try:
        header = strict_json.loads(raw, most=MAX_HEADER, what="its header", depth=4)
    except SpecError as error:
        raise _wrong(error.message) from None
    if not isinstance(header, dict) or not raw.startswith(b"{"):
        raise _wrong("its header must be an object, from its first byte.")
    _check_notes(header.pop("__metadata__", {}))
    if not 1 <= len(header) <= MAX_TENSORS:
        raise _wrong(f"it must hold 1 to {MAX_TENSORS:,} tensors; it holds {len(header):,}.")
    found = sorted((_entry(name, entry) for name, entry in header.items()), key=lambda t: (t["begin"], t["end"]))
    at = 0
    for tensor in found:
        if tensor["begin"] != at:
            raise _wrong(f"the data of {tensor['name']!r} must begin at {at}; they begin at {tensor['begin']}.")
        at = tensor["end"]
    if 8 + length + at != size:
        raise _wrong(f"its tensors need {8 + length + at:,} bytes; the file has {size:,}.", "The upload may be truncated: send it again.")
    return [tensor | {"offset": 8 + length + tensor["begin"]} for tensor in found]


def _check_notes(notes: Any) -> None:
    if not isinstance(notes, dict) or not all(isinstance(text, str) for text in notes.values()) or sum(len(key) + len(text) for key, text in notes.items()) > MAX_NOTES:
        raise _wrong(f"its __metadata__ must be texts of at most {MAX_NOTES:,} characters.", "Save it without metadata.")


def _entry(name: str, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"} or not 0 < len(name) <= 300:
        raise _wrong(f"the entry of {name[:40]!r} must have dtype, shape and data_offsets.")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    whole = isinstance(shape, list) and len(shape) <= 8 and all(type(n) is int and 0 <= n < 2**40 for n in shape)
    if dtype not in SIZES or not whole or not (isinstance(offsets, list) and len(offsets) == 2 and all(type(n) is int and n >= 0 for n in offsets)):
        raise _wrong(f"the entry of {name[:40]!r} has a dtype, shape or offsets that are not allowed.")
    needed = SIZES[dtype]
    for n in shape:
        needed *= n
    if offsets[1] - offsets[0] != needed:
        raise _wrong(f"{name[:40]!r} of shape {shape} needs {needed:,} bytes; its offsets give {offsets[1] - offsets[0]:,}.")
    return {"name": name, "dtype": dtype, "shape": shape, "begin": offsets[0], "end": offsets[1]}


def check(path: Path, manifest: "Manifest") -> dict[str, Any]:
    found = tensors(path)
    architecture = manifest.model["architecture"]
    config = architectures.read_config(architecture["name"], architecture["config"])
    budget = architectures.parameters(architecture["name"], config)
    if config["outputs"] != manifest.outputs:
        raise ReuseError("signature-lies", f"The architecture has {config['outputs']} outputs, the manifest declares {manifest.outputs}.",
                         "Give as many classes as the model has outputs, in their order.")
    held = sum(int(np.prod(t["shape"], dtype=np.int64)) for t in found if t["dtype"] in FLOATS or t["dtype"] == "BF16")
    if held > 4 * budget + 10_000:
        raise ReuseError("too-large", f"The architecture holds {budget:,} numbers; the file holds {held:,}.")
    return {"parameters": held, "tensors": [{k: t[k] for k in ("name", "dtype", "shape")} for t in found]}


def state(path: Path) -> dict[str, Any]:
    """The tensors as torch tensors, after the header has been checked; floating ones must be finite."""
    import torch
    from safetensors.torch import load_file

    tensors(path)
    loaded = load_file(path)
    for name, tensor in loaded.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ReuseError("not-finite", f"Weights must be finite; {name!r} holds NaN or infinity.", "Train again with a lower learning rate.")
    return loaded


def module(path: Path, manifest: "Manifest") -> Any:
    """The torch module with its weights, strictly loaded, in eval mode."""
    check(path, manifest)
    built = architectures.build(**manifest.model["architecture"])
    try:
        built.load_state_dict(state(path), strict=True)
    except RuntimeError as error:
        raise ReuseError("wrong-architecture", f"The tensors do not fit the architecture: {str(error)[:300]}",
                         "Name the configuration that the model was trained with.") from None
    return built.eval()


def predictor(built: Any, classifier: bool, note: Callable[[str], None] = lambda words: None) -> Callable[[Any], np.ndarray]:
    """predict(X) of a module of ours: probabilities (n, classes) or values (n,), in batches without gradients.

    On the GPU where there is one; where memory runs short, in smaller batches and then on the CPU, of which `note` is told.
    """
    import torch

    from reuse import devices

    config = built.architecture["config"]

    def predict(X: Any) -> np.ndarray:
        rows = torch.as_tensor(np.ascontiguousarray(X, dtype=np.float32))
        with torch.inference_mode():
            out = devices.in_batches(lambda part: built.to(part.device)(part), rows, size=BATCH, device=devices.pick(), note=note).double()
        built.cpu()
        if classifier:
            return torch.softmax(out, dim=1).numpy()
        return (out[:, 0] * config["output_scale"] + config["output_location"]).numpy()

    return predict


def load(path: Path, manifest: "Manifest") -> Callable[[Any], np.ndarray]:
    from reuse import devices

    return predictor(module(path, manifest), manifest.is_classifier, devices.hear)


def export(model: Any, folder: Path) -> dict[str, Any]:
    path = folder / "model.safetensors"
    if isinstance(model, Path):
        shutil.copyfile(model, path)
        return formats.describe("safetensors", path)
    if not hasattr(model, "architecture"):
        raise ReuseError("unknown-architecture", "A torch module must come from reuse.architectures.build(name, config), so that others can build it without your code.",
                         f"Rebuild it as one of {', '.join(architectures.names())} and load its weights, or export it to ONNX.")
    from safetensors.torch import save_file

    save_file({k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}, path)
    return formats.describe("safetensors", path, model.architecture)


def _wrong(why: str, hint: str = "") -> ReuseError:
    return ReuseError("wrong-safetensors", f"The safetensors file is refused: {why}", hint)
