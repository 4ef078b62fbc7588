"""Model formats: a folder is a kind, a file is a member, and structure, never a name, decides the type.

Each file defines
    SUFFIX                          the ending we give such a file
    detect(head, path) -> bool      does the file look like one (first 64 bytes, and the path for more)
    check(path, manifest) -> dict   refuse it (ReuseError) or report what it holds; runs none of its content
    load(path, manifest) -> predict predict(X) -> (n, classes) probabilities or (n,) values; in the sandbox only
and, where models are made, `export(model, path) -> dict`, the manifest's "model" part.
"""

import hashlib
import re
import struct
import zipfile
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from reuse.errors import ReuseError

CONVERT = "On your own machine run: moorage convert {name} -o model{suffix}"
KNOWN = "safetensors, skops, ONNX, XGBoost JSON or LightGBM text"
REFUSED = (
    # (reason code, what it is, first bytes, what it can be converted to)
    ("pickle-refused", "a pickle", (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), ".skops"),
    ("keras-refused", "an HDF5 file, as Keras writes", (b"\x89HDF",), ".safetensors"),
    ("compressed-refused", "a compressed file, as joblib may write",
     (b"\x1f\x8b", b"\x78\x9c", b"\x78\x01", b"\x78\xda", b"\x78\x5e", b"BZh", b"\xfd7zXZ", b"\x5d\x00\x00", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"ZF"), ".skops"),
    ("archive-refused", "an archive", (b"7z\xbc\xaf", b"Rar!", b"!<arch>", b"MSCF"), ".safetensors"),
    ("npy-refused", "a NumPy array", (b"\x93NUMPY",), ".safetensors"),
    ("code-refused", "a program", (b"#!", b"\x7fELF", b"MZ", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\0asm"), ".skops"),
    ("index-refused", "a FAISS index, whose reader trusts every byte", (b"IxF", b"IHN", b"IwF", b"IwP", b"IxM", b"IxP"), ".safetensors"),
    ("gguf-refused", "a GGUF or GGML file", (b"GGUF", b"ggml", b"ggjt"), ".safetensors"),
    ("binf-refused", "an XGBoost file of the old binary format", (b"binf", b"bs64"), ".json"),
)
# Pickles of protocol 0 and 1 are text: a global, a mark, or what a list or a dict begins with.
OLD_PICKLE = re.compile(rb"(?:c[\w.]+\n[\w.]+\n|\((?:dp|lp|i)[\w.]*\n|\(c[\w.]+\n|[\]}]q\x00|I-?\d+\n\.|ccopy_reg\n)")
BOOSTED = ("xgboost", "lightgbm")  # libraries whose models are saved by themselves
ZIP_END = struct.Struct("<4s4H2IH")


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
            _only(path, head, format_name, name)
            return format_name
    if head.startswith(b"PK"):
        raise _zip(path, name)
    for code, what, starts, suffix in REFUSED:
        if head.startswith(starts):
            raise ReuseError(code, f"{name} is {what}, which can carry or hide code, so it is refused.", CONVERT.format(name=name, suffix=suffix))
    if OLD_PICKLE.match(head):
        raise ReuseError("pickle-refused", f"{name} is a pickle, which can carry or hide code, so it is refused.", CONVERT.format(name=name, suffix=".skops"))
    if head[257:262] == b"ustar":
        raise ReuseError("archive-refused", f"{name} is a tar archive, which is refused.", CONVERT.format(name=name, suffix=".safetensors"))
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        raise ReuseError("json-refused", f"{name} is JSON text, and no XGBoost model; a model is {KNOWN}.", "Save it with booster.save_model('model.json'), or "
                         "run: moorage convert model.joblib -o model.skops")
    raise ReuseError("unknown-format", f"{name} is no {KNOWN} file: its structure is none of theirs.", CONVERT.format(name=name, suffix=".safetensors"))


def _zip(path: Path, name: str) -> ReuseError:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return ReuseError("truncated-zip", f"{name} begins as a zip and does not end as one.", "The file may be truncated: send it again.")
    if any(member.endswith(("__init__.py", "requirements.txt", "learnware.yaml", "setup.py")) for member in members):
        return ReuseError("code-refused", f"{name} is an archive with its author's code, which is never run here.", CONVERT.format(name=name, suffix=".safetensors"))
    return ReuseError("zip-refused", f"{name} is a zip that is no skops file: TorchScript, torch.save and code archives are refused.",
                      CONVERT.format(name=name, suffix=".safetensors"))


def _only(path: Path, head: bytes, format_name: str, name: str) -> None:
    """Refuse a file that another program would take for an archive as well: those who download it are not to be told two stories."""
    is_tar = head[257:262] == b"ustar"
    if is_tar or (format_name not in ("skops", "predictor") and _ends_as_zip(path)):
        raise ReuseError("two-files", f"{name} is {format_name}, and {'a tar archive' if is_tar else 'a zip'} as well; a file must be one thing for every reader.",
                         "Save the model again, alone.")


def _ends_as_zip(path: Path) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - ZIP_END.size - 0xFFFF))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if at + ZIP_END.size <= len(tail):
            _, disk, _, here, total, length, begin, comment = ZIP_END.unpack_from(tail, at)
            # Four bytes of a weight may look like an end by chance; one that fits the file's end and names members that could be there may not.
            if disk == 0 and here == total > 0 and at + ZIP_END.size + comment == len(tail) and 46 * total <= length <= size and begin + length <= size:
                return True
        at = tail.rfind(b"PK\x05\x06", 0, at)
    return False


def describe(format_name: str, path: Path, architecture: dict[str, Any] | None = None) -> dict[str, Any]:
    """The manifest's "model" part for a file: format, file name, SHA-256, size, architecture."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"format": format_name, "file": path.name, "sha256": digest, "size": path.stat().st_size, "architecture": architecture}


def export(model: Any, folder: Path) -> dict[str, Any]:
    """Write a fitted model into `folder` in the format that suits it; returns the manifest's "model" part.

    Takes a scikit-learn estimator (skops), a model of XGBoost or LightGBM, a torch module from `reuse.architectures` (safetensors), the path of a
    model file, or the bytes of an ONNX model. Raises ReuseError for anything else.
    """
    if isinstance(model, str | Path):
        path = Path(model)
        return member(identify(path)).export(path, folder)
    if isinstance(model, bytes):
        return member("onnx").export(model, folder)
    if (library := type(model).__module__.split(".")[0]) in BOOSTED and (hasattr(model, "save_model") or hasattr(model, "booster_")):
        return member(library).export(model, folder)
    if hasattr(model, "state_dict"):
        return member("safetensors").export(model, folder)
    if hasattr(model, "SerializeToString"):
        return member("onnx").export(model.SerializeToString(), folder)
    if hasattr(model, "get_params") and hasattr(model, "predict"):
        return member("skops").export(model, folder)
    raise ReuseError("unknown-model", f"A model must be an estimator of scikit-learn, XGBoost or LightGBM, a torch module, ONNX bytes or a file; got {type(model).__name__}.",
                     "Wrap it in a scikit-learn Pipeline, or export it to ONNX.")
