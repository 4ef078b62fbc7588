"""Model formats: a folder is a kind, a file is a member, and structure, never a name, decides the type.

Each file defines
    SUFFIX                          the ending we give such a file
    detect(head, path) -> bool      does the file look like one (first 64 bytes, and the path for more)
    check(path, manifest) -> dict   refuse it (ReuseError) or report what it holds; runs none of its content
    load(path, manifest) -> predict predict(X) -> (n, classes) probabilities or (n,) values; in the sandbox only
and, where models are made, `export(model, path) -> dict`, the manifest's "model" part.
"""

import hashlib
import zipfile
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from reuse.errors import ReuseError

CONVERT = "On your own machine run: moorage convert {name} -o model{suffix}"
REFUSED = (
    # (reason code, what it is, first bytes)
    ("pickle-refused", "a pickle", (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")),
    ("keras-refused", "an HDF5 file, as Keras writes", (b"\x89HDF",)),
    ("compressed-refused", "a compressed file, as joblib may write", (b"\x1f\x8b", b"\x78\x9c", b"\x78\x01", b"\x78\xda", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")),
    ("archive-refused", "an archive", (b"7z\xbc\xaf", b"Rar!")),
    ("npy-refused", "a NumPy array", (b"\x93NUMPY",)),
    ("code-refused", "a program", (b"#!", b"\x7fELF", b"MZ")),
    ("tree-model-refused", "a LightGBM text model", (b"tree\n", b"tree\r\n")),
)


def names() -> list[str]:
    """The formats there are."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def member(name: str) -> ModuleType:
    """A format's module; raises ReuseError for one that there is not."""
    if name not in names():
        raise ReuseError("unknown-format", f"The format must be one of {', '.join(names())}; got {name!r}.")
    return import_module(f"reuse.formats.{name}")


def identify(path: str | Path, name: str = "") -> str:
    """The format of a file, by its structure; raises ReuseError with a reason code for what is refused.

    `name` is what the owner calls the file: it is only repeated in the message.
    """
    path = Path(path)
    name = name or path.name
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise ReuseError("empty-file", f"{name} is empty; a model file must hold a model.")
    for format_name in names():
        if member(format_name).detect(head, path):
            return format_name
    for code, what, starts in REFUSED:
        if head.startswith(starts):
            raise ReuseError(code, f"{name} is {what}, which can carry or hide code, so it is refused.",
                             CONVERT.format(name=name, suffix=".skops"))
    if head.startswith(b"PK") and not zipfile.is_zipfile(path):
        raise ReuseError("truncated-zip", f"{name} begins as a zip and does not end as one.", "The file may be truncated: send it again.")
    if head.startswith(b"PK"):
        raise ReuseError("zip-refused", f"{name} is a zip that is no skops file: TorchScript, torch.save and code archives are refused.",
                         CONVERT.format(name=name, suffix=".safetensors"))
    if head[257:262] == b"ustar":
        raise ReuseError("archive-refused", f"{name} is a tar archive, which is refused.", CONVERT.format(name=name, suffix=".safetensors"))
    if head.lstrip()[:1] == b"{":
        raise ReuseError("json-refused", f"{name} is JSON text; a model is safetensors, skops or ONNX.", CONVERT.format(name=name, suffix=".skops"))
    raise ReuseError("unknown-format", f"{name} is no safetensors, skops or ONNX file: its structure is none of theirs.",
                     CONVERT.format(name=name, suffix=".safetensors"))


def describe(format_name: str, path: Path, architecture: dict[str, Any] | None = None) -> dict[str, Any]:
    """The manifest's "model" part for a file: format, file name, SHA-256, size, architecture."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"format": format_name, "file": path.name, "sha256": digest, "size": path.stat().st_size, "architecture": architecture}


def export(model: Any, folder: Path) -> dict[str, Any]:
    """Write a fitted model into `folder` in the format that suits it; returns the manifest's "model" part.

    Takes a scikit-learn estimator (skops), a torch module from `reuse.architectures` (safetensors), the path of a
    model file, or the bytes of an ONNX model. Raises ReuseError for anything else.
    """
    if isinstance(model, str | Path):
        path = Path(model)
        return member(identify(path)).export(path, folder)
    if isinstance(model, bytes):
        return member("onnx").export(model, folder)
    if hasattr(model, "state_dict"):
        return member("safetensors").export(model, folder)
    if hasattr(model, "SerializeToString"):
        return member("onnx").export(model.SerializeToString(), folder)
    if hasattr(model, "get_params") and hasattr(model, "predict"):
        return member("skops").export(model, folder)
    raise ReuseError("unknown-model", f"A model must be a scikit-learn estimator, a torch module, ONNX bytes or a file; got {type(model).__name__}.",
                     "Wrap it in a scikit-learn Pipeline, or export it to ONNX.")
