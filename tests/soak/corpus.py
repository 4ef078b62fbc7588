"""Hostile, malformed and well-formed offers, each with the outcome that it must have. The same list every time: seeded, no clock, no network.

`build(marker)` returns the cases; pickles among them would create the file `marker`, were anybody to open one.
Where a case is refused: "door" (the manifest, the specification or the first look at the file), "check" (our validators, before anything is run)
or "run" (only the sandbox can tell). A good case is "usable".
"""

import bz2
import gzip
import hashlib
import html
import io
import json
import lzma
import os
import pickle
import random
import struct
import subprocess
import tarfile
import unicodedata
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tests.journeys import models

GOLDEN = Path(__file__).parents[1] / "reuse" / "formats" / "golden"
COLUMNS = 10


@dataclass(frozen=True)
class Case:
    """An offer: three files and the name that its sender gives the model; `codes` are the reasons that may be given, empty for good ones."""

    name: str
    category: str
    manifest: bytes
    model: bytes
    specification: bytes
    where: str = "usable"
    codes: frozenset[str] = frozenset()
    filename: str = "model.bin"


# --- well-formed offers --------------------------------------------------------------------------


def manifest_of(model: bytes, kind: str, name: str, *, classes=("benign", "malignant"), takes="columns", architecture=None, file="", **changes: Any) -> dict[str, Any]:
    suffix = {"safetensors": ".safetensors", "skops": ".skops", "onnx": ".onnx", "xgboost": ".json", "lightgbm": ".txt", "predictor": ".zip"}[kind]
    output = {"kind": "classes", "target": models.TARGET, "classes": list(classes)} if classes else {"kind": "value", "target": "size", "unit": None}
    return {
        "format": "moorage.learnware/1", "name": name, "version": "1.0.0", "title": name, "task": "classification" if classes else "regression",
        "input": {"space": models.space().id, "takes": takes}, "output": output,
        "model": {"format": kind, "file": file or f"model{suffix}", "sha256": hashlib.sha256(model).hexdigest(), "size": len(model), "architecture": architecture},
        "licence": "MIT", "card": f"# {name}\n\nOf the corpus.",
    } | changes


@cache
def specification() -> bytes:
    words = {"task": None, "target": None}
    document = models.requirement(models.everything())
    document["semantic"] = {key: value for key, value in document["semantic"].items() if key not in words}
    return json.dumps(document).encode()


@cache
def sound(kind: str) -> tuple[bytes, dict[str, Any]]:
    """(model, what its manifest says) of the plain well-formed model of a format."""
    if kind in ("xgboost", "lightgbm"):
        return (GOLDEN / {"xgboost": "xgboost-binary.json", "lightgbm": "lightgbm-binary.txt"}[kind]).read_bytes(), {}
    if kind == "predictor":
        return _predictor(), {}
    with TemporaryDirectory() as folder:
        files = models.write(Path(folder), "sound", models.part(0, 0.6), kind)
        said = json.loads(files["manifest"])
        return files["model"].read_bytes(), {"takes": said["input"]["takes"], "architecture": said["model"]["architecture"]}


def _predictor() -> bytes:
    from reuse import predictor

    model, said = sound("skops")
    manifest = manifest_of(model, "skops", "member", **said)
    document = {
        "format": "moorage.predictor/1", "combine": {"method": "ensemble/mean", "params": {}, "state": None}, "space": models.space().to_json(), "output": manifest["output"],
        "members": [{"file": "members/0/model.skops", "manifest": manifest, "weight": 1.0, "reference": "alice/member@1.0.0", "specification": "members/0/specification.json"}],
    }
    with TemporaryDirectory() as folder:
        inside = Path(folder, "predictor", "members", "0")
        inside.mkdir(parents=True)
        (inside / "model.skops").write_bytes(model)
        (inside / "specification.json").write_bytes(specification())
        Path(folder, "predictor", "predictor.json").write_text(json.dumps(document))
        return predictor.pack(Path(folder, "predictor"), Path(folder, "p.zip")).read_bytes()


def offer(name: str, category: str, model: bytes, kind: str, where: str = "usable", codes: str = "", *, filename: str = "model.bin", **said: Any) -> Case:
    """A case around a model: a manifest that is true of its bytes, unless `said` says otherwise."""
    document = manifest_of(model, kind, said.pop("slug", "case"), **said)
    return Case(name, category, json.dumps(document).encode(), model, specification(), where, frozenset(codes.split()), filename)


def good() -> Iterator[Case]:
    for kind in ("safetensors", "skops", "onnx", "xgboost", "lightgbm", "predictor"):
        model, said = sound(kind)
        yield offer(f"plain {kind}", "well-formed", model, kind, **said)
    for path in sorted(GOLDEN.iterdir()):
        with np.load(path.with_suffix(".npz")) if path.with_suffix(".npz").exists() and path.suffix != ".npz" and path.stem != "words" else _nothing() as held:
            if held is not None and held["X"].shape[1] == COLUMNS:
                classes = ("malignant", "benign") if any(word in path.stem for word in ("binary", "forest", "early", "dart")) else None
                yield offer(f"golden {path.name}", "well-formed", path.read_bytes(), path.stem.split("-")[0], classes=classes)
    yield from _good_skops()
    yield from _good_safetensors()


class _nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *args: Any) -> None:
        pass


def _good_skops() -> Iterator[Case]:
    import skops.io
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer, StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    frame = models.part(0, 0.5)
    X, y = frame.drop(columns=models.TARGET), frame[models.TARGET]
    every = [
        RandomForestClassifier(4, random_state=0), HistGradientBoostingClassifier(max_iter=4), GradientBoostingClassifier(n_estimators=4), GaussianNB(), DecisionTreeClassifier(random_state=0),
        KNeighborsClassifier(), make_pipeline(make_column_transformer((StandardScaler(), ["radius"]), remainder="passthrough"), QuantileTransformer(n_quantiles=20), GaussianNB()),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        every.append(SVC(probability=True, random_state=0))
        for number, model in enumerate(every):
            yield offer(f"skops {number} {type(model).__name__}", "well-formed", skops.io.dumps(model.fit(X, y)), "skops")


def _good_safetensors() -> Iterator[Case]:
    rng = np.random.default_rng(0)
    for hidden in ([], [4], [5, 3]):
        sizes, tensors = [COLUMNS, *hidden], {}
        for number, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
            tensors |= {f"body.{2 * number}.weight": rng.normal(size=(b, a)), f"body.{2 * number}.bias": np.zeros(b)}
        tensors |= {"head.weight": rng.normal(size=(2, sizes[-1])), "head.bias": np.zeros(2)}
        if hidden:
            continue  # names of the body are the architecture's own; those are exported below
        yield offer("safetensors linear by hand", "well-formed", tensors_file({k: v.astype("<f4") for k, v in tensors.items()}), "safetensors", takes="coordinates", architecture=LINEAR)
    import torch

    from reuse import architectures, formats

    for config in ({"inputs": COLUMNS, "hidden": [4], "outputs": 2}, {"inputs": COLUMNS, "hidden": [6, 3], "outputs": 2, "norm": True}):
        torch.manual_seed(0)
        with TemporaryDirectory() as folder:
            part = formats.member("safetensors").export(architectures.build("mlp", config), Path(folder))
            yield offer(f"safetensors mlp {config['hidden']}", "well-formed", Path(folder, part["file"]).read_bytes(), "safetensors", takes="coordinates", architecture=part["architecture"])


# --- pickles in disguise ------------------------------------------------------------------------


def payloads(marker: Path) -> dict[str, Any]:
    """Objects whose unpickling would create the marker."""
    command = f"touch {marker}"

    def calls(function: Any, *args: Any) -> Any:
        return type("Evil", (), {"__reduce__": lambda self: (function, args)})()

    return {
        "os.system": calls(os.system, command), "exec": calls(exec, f"open({str(marker)!r}, 'w').close()"), "eval": calls(eval, f"open({str(marker)!r}, 'w')"),
        "Popen": calls(subprocess.Popen, ["touch", str(marker)]), "open": calls(open, str(marker), "w"), "popen": calls(os.popen, command), "unlink": calls(os.symlink, "/", str(marker)),
    }


NAMES = ("model.safetensors", "model.skops", "model.onnx", "model.json", "model.txt", "predictor.zip")
KINDS = ("safetensors", "skops", "onnx", "xgboost", "lightgbm", "predictor")
LINEAR = {"name": "linear", "config": {"inputs": COLUMNS, "outputs": 2}}


def disguised(data: bytes, name: str, codes: str, turn: int, where: str = "door") -> Case:
    kind = KINDS[turn % len(KINDS)]
    return offer(name, "pickles in disguise", data, kind, where, codes, filename=NAMES[turn % len(NAMES)], architecture=LINEAR if kind == "safetensors" else None)


def pickles(marker: Path) -> Iterator[Case]:
    turn = 0
    for what, evil in payloads(marker).items():
        for protocol in range(6):
            turn += 1
            yield disguised(pickle.dumps(evil, protocol), f"pickle {what}, protocol {protocol}", "pickle-refused unknown-format", turn)
        raw = pickle.dumps(evil, 4)
        packed = {"gzip": gzip.compress(raw, mtime=0), "zlib": zlib.compress(raw), "bz2": bz2.compress(raw), "xz": lzma.compress(raw), "lzma": lzma.compress(raw, lzma.FORMAT_ALONE)}
        for how, data in packed.items():
            turn += 1
            yield disguised(data, f"joblib {what}, {how}", "compressed-refused", turn)
        for shape in ({"archive/data.pkl": raw, "archive/version": b"3\n"}, {"m/data.pkl": raw, "m/code/__torch__.py": b"import os", "m/constants.pkl": raw}, {"model.pkl": raw},
                      {"__init__.py": b"import os", "requirements.txt": b"evil", "model.pkl": raw}, {"serialized_exported_program.json": b"{}", "sample_inputs/model.pt": raw}):
            turn += 1
            yield disguised(zipped(shape), f"zip {what} with {next(iter(shape))}", "zip-refused code-refused", turn)
        turn += 1
        npy = io.BytesIO()
        np.lib.format.write_array_header_1_0(npy, {"descr": "|O", "fortran_order": False, "shape": (1,)})
        yield disguised(npy.getvalue() + raw, f"npy {what}", "npy-refused", turn)
        skops_model, said = sound("skops")
        yield offer(f"skops with a pickle beside it {what}", "pickles in disguise", with_member(skops_model, "payload.pkl", raw), "skops", "check", "wrong-skops", **said)
        yield offer(f"skops with a pickle before it {what}", "pickles in disguise", raw + skops_model, "skops", "door", "pickle-refused", **said)
        yield offer(f"skops with a pickle behind it {what}", "pickles in disguise", skops_model + raw, "skops", "check", "wrong-zip truncated-zip two-files", **said)
        tensor, more = sound("safetensors")
        yield offer(f"safetensors with a pickle behind it {what}", "pickles in disguise", tensor + raw, "safetensors", "check", "wrong-safetensors", **more)
        graph, more = sound("onnx")
        yield offer(f"onnx with a pickle behind it {what}", "pickles in disguise", graph + raw, "onnx", "check", "wrong-onnx", **more)
    for number, text in enumerate((b"cos\nsystem\n(S'touch X'\ntR.", b"(dp0\nS'a'\np1\nI1\ns.", b"(lp0\nI1\na.", b"c__builtin__\neval\n(S'1'\ntR.", b"ccopy_reg\n_reconstructor\n(c__main__\nA\nc__builtin__\nobject\nNtR.")):
        yield disguised(text, f"text pickle {number}", "pickle-refused", number)


# --- archives and other files -------------------------------------------------------------------


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return out.getvalue()


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_member(data: bytes, name: str, content: bytes) -> bytes:
    return zipped(unzipped(data) | {name: content})


@dataclass(frozen=True)
class Record:
    """A member as its two headers tell it; what is None in the directory's is as in the local one."""

    name: bytes
    data: bytes
    flags: int = 0
    method: int = 0
    crc: int | None = None
    size: int | None = None
    packed: int | None = None
    extra: bytes = b""
    name2: bytes | None = None
    size2: int | None = None
    extra2: bytes | None = None
    comment: bytes = b""
    mode: int = 0o100644
    disk: int = 0
    listed: bool = True
    offset: int = 0


def zip_of(records: list[Record], *, before: bytes = b"", behind: bytes = b"", comment: bytes = b"", count: int | None = None, shift: int = 0, ends: int = 1, shift_size: int = 0) -> bytes:
    """A zip written field by field, as no library would."""
    out, directory, listed = bytearray(before), bytearray(), 0
    for r in records:
        at = len(out)
        crc, size = zlib.crc32(r.data) if r.crc is None else r.crc, len(r.data) if r.size is None else r.size
        body = zlib.compress(r.data)[2:-4] if r.method == 8 else r.data
        packed = len(body) if r.packed is None else r.packed
        out += struct.pack("<4s5H3I2H", b"PK\3\4", 20, r.flags, r.method, 0, 33, crc, packed, size, len(r.name), len(r.extra)) + r.name + r.extra + body
        if r.listed:
            name, extra, listed = r.name2 if r.name2 is not None else r.name, r.extra if r.extra2 is None else r.extra2, listed + 1
            directory += struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, r.flags, r.method, 0, 33, crc, packed, size if r.size2 is None else r.size2, len(name), len(extra),
                                     len(r.comment), r.disk, 0, r.mode << 16, at + r.offset) + name + extra + r.comment
    begin, n = len(out) + shift, listed if count is None else count
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, n, n, len(directory) + shift_size, begin, len(comment)) + comment
    return bytes(out) + bytes(directory) + end * ends + behind


def zips() -> Iterator[Case]:
    for kind in ("skops", "predictor"):
        model, said = sound(kind)
        plain = [Record(name.encode(), data) for name, data in unzipped(model).items()]
        first, rest = plain[0], plain[1:]

        def change(changes: dict[str, Any], first: Record = first, rest: list[Record] = rest) -> bytes:
            return zip_of([replace(first, **changes), *rest])

        big = bytes(66 << 20)
        every: dict[str, tuple[bytes, str]] = {
            "something before": (zip_of(plain, before=b"#!/bin/sh\n"), "door"), "a tar before": (zip_of(plain, before=tarred() + b"\0" * 512), "door"),
            "something behind": (zip_of(plain, behind=b"payload"), "check"), "a comment": (zip_of(plain, comment=b"hello"), "check"), "two ends": (zip_of(plain, ends=2), "check"),
            "a count too high": (zip_of(plain, count=len(plain) + 1), "check"), "a count too low": (zip_of(plain, count=1), "check"), "an offset that lies": (zip_of(plain, shift=4), "check"),
            "a directory's size that lies": (zip_of(plain, shift_size=3), "check"), "another name in the directory": (change({"name2": b"x" * len(first.name)}), "check"),
            "another size in the directory": (change({"size2": 7}), "check"), "another offset": (change({"offset": 30}), "check"), "a wrong checksum": (change({"crc": 1}), "check"),
            "a size too small": (change({"size": 3}), "check"), "a size too large": (change({"size": 1 << 30}), "check"), "a packed size beyond the end": (change({"packed": 1 << 30}), "check"),
            "encrypted": (change({"flags": 1}), "check"), "a size behind the bytes": (change({"flags": 8}), "check"), "strong encryption": (change({"flags": 64}), "check"),
            "bzip2": (change({"method": 12}), "check"), "lzma": (change({"method": 14}), "check"), "zstd": (change({"method": 93}), "check"), "imploded": (change({"method": 6}), "check"),
            "a link": (change({"mode": 0o120777}), "check"), "a device": (change({"mode": 0o020666}), "check"), "a folder": (change({"mode": 0o040755}), "check"),
            "another disk": (change({"disk": 3}), "check"), "a member's comment": (change({"comment": b"hi"}), "check"),
            "two ZIP64 fields": (change({"extra": struct.pack("<2H", 1, 0) * 2}), "check"), "a ZIP64 field of 12": (change({"extra": struct.pack("<2H", 1, 12) + bytes(12)}), "check"),
            "a ZIP64 field that says otherwise": (change({"extra": struct.pack("<2H2Q", 1, 16, 5, 5)}), "check"), "a field that is cut off": (change({"extra": struct.pack("<2H", 9, 400)}), "check"),
            "another name in UTF-8": (change({"extra": struct.pack("<2HBI", 0x7075, 9, 1, 0) + b"evil"}), "check"),
            "a member that is not listed": (zip_of([*plain, Record(b"hidden.pkl", b"x", listed=False)]), "check"), "a member twice": (zip_of([*plain, first]), "check"),
            "a member more": (zip_of([*plain, Record(b"more.npy", b"x")]), "check"), "a bomb": (zip_of([*plain, Record(b"bomb.npy", big, method=8)]), "check"),
            "too many members": (zip_of([*plain, *(Record(b"m%d.npy" % i, b"") for i in range(600 if kind == "predictor" else 60))]), "check"),
        }
        for what, name in {
            "..": b"../../evil.npy", "an absolute name": b"/etc/evil.npy", "a backslash": b"a\\..\\evil.npy", "a drive": b"C:evil.npy", "NUL": b"evil.npy\0.txt", "a control letter": b"evil\x1b[2J.npy",
            "no name": b"", "a dot": b"./evil.npy", "an empty part": b"a//evil.npy", "a name that ends as a folder": b"evil/", "a name that is no text": b"\xff\xfe.npy", "a long name": b"e" * 300,
            "a name that turns": "\u202egpj.npy".encode(),
        }.items():
            every[f"a member named with {what}"] = (zip_of([*plain, Record(name, b"x", flags=0 if what == "a name that is no text" else 0x800)]), "check")
        upper = first.name.upper() if first.name.upper() != first.name else first.name.lower()
        every["names alike but for case"] = (zip_of([*plain, Record(upper, b"x")]), "check")
        one, two = (unicodedata.normalize(form, "\u00e9.npy").encode() for form in ("NFC", "NFD"))
        every["names alike but for how letters are made"] = (zip_of([*plain, Record(one, b"x", flags=0x800), Record(two, b"x", flags=0x800)]), "check")
        for what, (data, where) in every.items():
            yield offer(f"{kind} zip with {what}", "archives", data, kind, "door" if what in ("two ends", "a directory's size that lies", "a field that is cut off") else where,
                        "wrong-zip zip-bomb too-large wrong-skops wrong-predictor truncated-zip two-files zip-refused code-refused archive-refused unknown-format", **said)


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("model.py")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"boom"))
    return out.getvalue()


def others() -> Iterator[Case]:
    kinds = {
        "tar": (tarred(), "archive-refused"), "tar.gz": (gzip.compress(tarred(), mtime=0), "compressed-refused"), "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(90), "archive-refused"),
        "rar": (b"Rar!\x1a\x07\x00" + bytes(90), "archive-refused"), "ar": (b"!<arch>\n" + bytes(90), "archive-refused"), "cab": (b"MSCF" + bytes(90), "archive-refused"),
        "zstd": (b"\x28\xb5\x2f\xfd" + bytes(90), "compressed-refused"), "lz4": (b"\x04\x22\x4d\x18" + bytes(90), "compressed-refused"), "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(90), "keras-refused"),
        "elf": (b"\x7fELF" + bytes(90), "code-refused"), "exe": (b"MZ" + bytes(90), "code-refused"), "mach-o": (b"\xcf\xfa\xed\xfe" + bytes(90), "code-refused"), "class": (b"\xca\xfe\xba\xbe" + bytes(90), "code-refused"),
        "wasm": (b"\0asm\1\0\0\0" + bytes(90), "code-refused"), "script": (b"#!/bin/sh\ntouch /tmp/x\n", "code-refused"), "python": (b"import os\nos.system('id')\n", "unknown-format"),
        "npy": (b"\x93NUMPY\x01\x00" + bytes(90), "npy-refused"), "faiss": (b"IxF2" + bytes(90), "index-refused"), "gguf": (b"GGUF" + bytes(90), "gguf-refused"), "binf": (b"binf" + bytes(90), "binf-refused"),
        "html": (b"<html><script>alert(1)</script></html>", "unknown-format"), "svg": (b"<svg onload=alert(1)>", "unknown-format"), "xml bomb": (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "unknown-format"),
        "pdf": (b"%PDF-1.7\n" + bytes(90), "unknown-format"), "png": (b"\x89PNG\r\n\x1a\n" + bytes(90), "unknown-format"), "zeros": (bytes(4096), "unknown-format"), "ones": (b"\xff" * 4096, "unknown-format"),
        "yaml": (b"!!python/object/apply:os.system ['id']\n", "unknown-format"), "json": (b'{"a": 1}', "json-refused"), "json list": (b"[1, 2, 3]", "json-refused"), "one byte": (b"x", "unknown-format"),
        "onnx head alone": (b"\x08\x07\x12", "unknown-format"), "SavedModel": (b"\x08\x01\x12\x8a\x02" + bytes(90), "wrong-onnx"), "noise": (random.Random(0).randbytes(5000), "unknown-format"),
        "an empty zip": (b"PK\5\6" + bytes(18), "zip-refused"), "half a zip": (b"PK\3\4" + bytes(60), "truncated-zip"),
    }
    for turn, (what, (data, code)) in enumerate(kinds.items()):
        kind = "onnx" if what == "SavedModel" else KINDS[turn % len(KINDS)]
        yield offer(what, "archives", data, kind, "check" if what == "SavedModel" else "door", code, filename=NAMES[turn % len(NAMES)], architecture=LINEAR if kind == "safetensors" else None)
    for kind in KINDS:
        model, said = sound(kind)
        polyglot = zipped({"schema.json": b"{}"}) if kind not in ("skops", "predictor") else b""
        if polyglot:
            yield offer(f"{kind} and a zip", "archives", model + polyglot, kind, "door", "two-files", **said)


# --- safetensors --------------------------------------------------------------------------------


def tensors_file(tensors: dict[str, np.ndarray]) -> bytes:
    header, data = {}, b""
    kinds = {"<f4": "F32", "<f8": "F64", "<i8": "I64"}
    for name, array in tensors.items():
        header[name] = {"dtype": kinds[array.dtype.str], "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    return headed(json.dumps(header).encode(), data)


def headed(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def tensors() -> Iterator[Case]:
    weight, bias = np.full((2, COLUMNS), 0.1, dtype="<f4"), np.zeros(2, dtype="<f4")
    W, B = {"dtype": "F32", "shape": [2, COLUMNS], "data_offsets": [0, 80]}, {"dtype": "F32", "shape": [2], "data_offsets": [80, 88]}
    data = weight.tobytes() + bias.tobytes()
    whole = {"head.weight": W, "head.bias": B}

    def doc(header: Any, data: bytes = data) -> bytes:
        return headed(header if isinstance(header, bytes) else json.dumps(header).encode(), data)

    text = json.dumps(whole)
    headers = {
        "a key twice": doc(f'{{"head.bias": {json.dumps(B)}, {text[1:]}'.encode()), "metadata twice": doc(f'{{"__metadata__": {{}}, "__metadata__": {{}}, {text[1:]}'.encode()),
        "NaN in the header": doc(text[:-1].encode() + b', "x": NaN}'), "a comment": doc(text.encode() + b"//x"), "two documents": doc(text.encode() * 2), "a deep header": doc(b'{"a":' * 5000 + b"1" + b"}" * 5000),
        "an unknown type": doc(whole | {"head.bias": B | {"dtype": "PICKLE"}}), "a type of 4 bits": doc(whole | {"head.bias": B | {"dtype": "F4"}}), "a negative shape": doc(whole | {"head.bias": B | {"shape": [-2]}}),
        "nine dimensions": doc(whole | {"head.bias": B | {"shape": [2] + [1] * 8}}), "a shape beyond 64 bits": doc(whole | {"head.bias": B | {"shape": [2**62, 8]}}), "a shape of words": doc(whole | {"head.bias": B | {"shape": ["2"]}}),
        "a shape of booleans": doc(whole | {"head.bias": B | {"shape": [True, 2]}}), "a shape of fractions": doc(whole | {"head.bias": B | {"shape": [2.0]}}), "offsets that overlap": doc(whole | {"head.bias": B | {"data_offsets": [76, 84]}}),
        "offsets with a gap": doc(whole | {"head.bias": B | {"data_offsets": [84, 92]}}, data + bytes(4)), "offsets backwards": doc(whole | {"head.bias": B | {"data_offsets": [88, 80]}}),
        "negative offsets": doc(whole | {"head.bias": B | {"data_offsets": [-8, 0]}}), "offsets of one": doc(whole | {"head.bias": B | {"data_offsets": [80]}}), "offsets beyond": doc(whole | {"head.bias": B | {"data_offsets": [2**63, 2**63 + 8]}}),
        "offsets of words": doc(whole | {"head.bias": B | {"data_offsets": ["80", "88"]}}), "something behind": doc(whole, data + b"payload"), "data cut off": doc(whole, data[:-1]), "no data": doc(whole, b""),
        "a key more": doc(whole | {"head.bias": B | {"exec": "x"}}), "a key less": doc(whole | {"head.bias": {"dtype": "F32", "shape": [2]}}), "an entry that is a list": doc(whole | {"head.bias": [1]}),
        "no tensors": doc({}, b""), "a list": doc([1, 2], b""), "a word": doc(b'"x"  ', b""), "a number": doc(b"1234", b""), "a blank before": doc(b" " + text.encode()), "a mark before": doc(b"\xef\xbb\xbf" + text.encode()),
        "metadata of numbers": doc({"__metadata__": {"a": 1}} | whole), "metadata that is a list": doc({"__metadata__": []} | whole), "much metadata": doc({"__metadata__": {"a": "x" * 400_000}} | whole),
        "ten thousand tensors and one": doc({f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(10_001)}, b""), "no name": doc({"": B | {"data_offsets": [0, 8]}}, bytes(8)),
        "a long name": doc({"n" * 400: B | {"data_offsets": [0, 8]}}, bytes(8)), "a name with NUL": doc({"a\0b": B | {"data_offsets": [0, 8]}}, bytes(8)), "a lone surrogate": doc(b'{"\\ud800": ' + json.dumps(B).encode() + b"}", bytes(88)),
        "a header of nothing": headed(b"", data), "a header of one": headed(b"{", data, 1), "a header of 2 GB": headed(text.encode(), data, 2**31), "a header of 2^63": headed(text.encode(), data, 2**63), "a header beyond the file": headed(text.encode(), data, len(text) + 500),
        "a header over a megabyte": headed(text.encode() + b" " * (1 << 20), data), "a header one short": headed(text.encode(), data, len(text) - 1), "a header that is no text": headed(b"{\xff\xfe" + text.encode(), data),
    }
    for what, model in headers.items():
        length = struct.unpack("<Q", model[:8])[0]
        seen = model[8:9] == b"{" and 2 <= length <= 2**32
        yield offer(f"safetensors with {what}", "safetensors", model, "safetensors", "check" if seen else "door",
                    "wrong-safetensors" if seen else "wrong-safetensors unknown-format json-refused", takes="coordinates", architecture=LINEAR)
    bodies: dict[str, tuple[dict[str, np.ndarray], str, str]] = {
        "NaN": ({"head.weight": weight * np.float32("nan"), "head.bias": bias}, "run", "not-finite"), "infinity": ({"head.weight": weight, "head.bias": bias + np.float32("inf")}, "run", "not-finite"),
        "another shape": ({"head.weight": weight[:, :5].copy(), "head.bias": bias}, "run", "wrong-architecture"), "a tensor less": ({"head.weight": weight}, "run", "wrong-architecture"),
        "a tensor more": ({"head.weight": weight, "head.bias": bias, "evil": bias}, "run", "wrong-architecture"), "other names": ({"fc.weight": weight, "fc.bias": bias}, "run", "wrong-architecture"),
        "too many numbers": ({"head.weight": weight, "head.bias": bias, "more": np.zeros(20_000, dtype="<f4")}, "check", "too-large"),
        "huge weights": ({"head.weight": weight * np.float32(3e38), "head.bias": bias}, "run", "not-finite signature-lies"),
    }
    for what, (held, where, codes) in bodies.items():
        with np.errstate(all="ignore"):
            yield offer(f"safetensors with {what}", "safetensors", tensors_file(held), "safetensors", where, codes, takes="coordinates", architecture=LINEAR)
    right = tensors_file({"head.weight": weight, "head.bias": bias})
    for what, architecture, where, codes in (
        ("an architecture that is none", {"name": "exec", "config": {}}, "check", "unknown-architecture"), ("a path for an architecture", {"name": "../evil", "config": {}}, "door", "wrong-manifest"),
        ("a setting that is none", {"name": "linear", "config": LINEAR["config"] | {"hook": "x"}}, "check", "wrong-architecture"), ("outputs that lie", {"name": "linear", "config": {"inputs": 10, "outputs": 3}}, "check", "signature-lies"),
        ("a bomb", {"name": "mlp", "config": {"inputs": 100_000, "hidden": [16_384] * 16, "outputs": 2}}, "check", "too-large wrong-architecture"), ("inputs that are words", {"name": "linear", "config": {"inputs": "10", "outputs": 2}}, "check", "wrong-architecture"),
        ("inputs that are true", {"name": "linear", "config": {"inputs": True, "outputs": 2}}, "check", "wrong-architecture"), ("a negative size", {"name": "linear", "config": {"inputs": -1, "outputs": 2}}, "check", "wrong-architecture"),
        ("another width", {"name": "linear", "config": {"inputs": 11, "outputs": 2}}, "run", "wrong-architecture"), ("no architecture", None, "door", "wrong-manifest"), ("a list of hidden that is none", {"name": "mlp", "config": {"inputs": 10, "hidden": "4", "outputs": 2}}, "check", "wrong-architecture"),
    ):
        yield offer(f"safetensors and {what}", "safetensors", right, "safetensors", where, codes, takes="coordinates", architecture=architecture)


# --- ONNX ---------------------------------------------------------------------------------------


def graphs() -> Iterator[Case]:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    base, said = sound("onnx")

    def plain(nodes: list[Any] = (), tensors: list[Any] = (), *, ops: dict[str, int] | None = None, inputs: list[Any] | None = None, outputs: list[Any] | None = None, ir: int = 8) -> Any:
        """softmax(x @ W): small, allowed, two classes; then whatever the case adds."""
        W = numpy_helper.from_array(np.full((COLUMNS, 2), 0.1, dtype=np.float32), "W")
        own = [helper.make_node("MatMul", ["x", "W"], ["m"]), helper.make_node("Softmax", ["m"], ["p"], axis=1)]
        graph = helper.make_graph([*own, *nodes], "g", inputs if inputs is not None else [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, COLUMNS])],
                                  outputs if outputs is not None else [helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 2])], [W, *tensors])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid(domain, version) for domain, version in (ops or {"": 18}).items()], ir_version=ir)

    def node(op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
        return helper.make_node(op, inputs, outputs, **attributes)

    yield offer("onnx by hand", "well-formed", plain().SerializeToString(), "onnx")
    inner = helper.make_graph([node("Identity", ["a"], ["b"])], "inner", [], [helper.make_tensor_value_info("b", TensorProto.FLOAT, [1])])
    outside = TensorProto(name="far", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="../../../etc/passwd")
    quiet = TensorProto(name="far", data_type=TensorProto.FLOAT, dims=[2], raw_data=bytes(8))
    quiet.external_data.add(key="location", value="/etc/passwd")
    number = numpy_helper.from_array(np.array([1 << 40], dtype=np.int64), "n")
    every: dict[str, tuple[Any, str]] = {
        "weights in another file": (plain(tensors=[outside]), "external-data"), "a location beside its weights": (plain(tensors=[quiet]), "external-data"),
        "weights of an attribute in another file": (plain([node("Constant", [], ["c"], value=outside)]), "external-data"),
        "a loop": (plain([node("Loop", ["n", ""], ["c"], body=inner)], [number]), "operator-refused"), "a branch": (plain([node("If", ["x"], ["c"], then_branch=inner, else_branch=inner)]), "operator-refused"),
        "a scan": (plain([node("Scan", ["x"], ["c"], body=inner, num_scan_inputs=1)]), "operator-refused"), "a graph in an allowed operator": (plain([node("Identity", ["x"], ["c"], body=inner)]), "wrong-onnx"),
        "Python": (plain([helper.make_node("PyOp", ["x"], ["c"], domain="ai.onnx.contrib")], ops={"": 18, "ai.onnx.contrib": 1}), "wrong-onnx operator-refused"),
        "an operator of Microsoft": (plain([helper.make_node("FusedMatMul", ["x", "W"], ["c"], domain="com.microsoft")], ops={"": 18, "com.microsoft": 1}), "wrong-onnx operator-refused"),
        "an operator of a domain that is not named": (plain([helper.make_node("FusedMatMul", ["x", "W"], ["c"], domain="com.microsoft")]), "operator-refused"),
        "a tree of the wrong domain": (plain([node("TreeEnsembleClassifier", ["x"], ["c"])]), "operator-refused"), "an operator that is none": (plain([node("Exec", ["x"], ["c"])]), "operator-refused"),
        "a tile": (plain([node("Tile", ["x", "n"], ["c"])], [number]), "operator-refused"), "a range": (plain([node("Range", ["n", "n", "n"], ["c"])], [number]), "operator-refused"),
        "a terabyte of a constant": (plain([node("ConstantOfShape", ["n"], ["c"])], [number]), "too-large"), "a terabyte of an expansion": (plain([node("Expand", ["W", "big"], ["c"])], [numpy_helper.from_array(np.array([1 << 20, 1 << 20, 10, 2]), "big")]), "too-large"),
        "operator set 9999": (plain(ops={"": 9999}), "wrong-onnx"), "operator set 0": (plain(ops={"": 0}), "wrong-onnx"), "no operator set": (_without(plain(), "opset_import"), "wrong-onnx"), "two versions of one set": (plain(ops={"": 18, "ai.onnx": 12}), "wrong-onnx"),
        "IR version 15": (plain(ir=15), "wrong-onnx"), "no output": (plain(outputs=[]), "signature-lies"), "three outputs": (plain(outputs=[helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in "pmW"]), "signature-lies"),
        "no input": (plain(inputs=[]), "signature-lies"), "two inputs": (plain(inputs=[helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, 10]) for n in "xy"]), "signature-lies"),
        "an input of words": (plain(inputs=[helper.make_tensor_value_info("x", TensorProto.STRING, [None, 10])]), "signature-lies"), "an input of doubles": (plain(inputs=[helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, 10])]), "signature-lies"),
        "an input of three dimensions": (plain(inputs=[helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 10, 1])]), "signature-lies"), "an output that nobody gives": (plain(outputs=[helper.make_tensor_value_info("q", TensorProto.FLOAT, None)]), "wrong-onnx"),
        "an operator that takes what comes later": (plain([node("Identity", ["d"], ["c"]), node("Identity", ["x"], ["d"])]), "wrong-onnx"), "a name given twice": (plain([node("Identity", ["x"], ["m"])]), "wrong-onnx"),
        "an operator that takes its own answer": (plain([node("Identity", ["c"], ["c"])]), "wrong-onnx"), "two tensors of one name": (plain(tensors=[number, number]), "wrong-onnx"),
        "NaN among its weights": (plain(tensors=[numpy_helper.from_array(np.array([np.nan], dtype=np.float32), "v")]), "not-finite"), "infinity among its halves": (plain(tensors=[numpy_helper.from_array(np.array([np.inf], dtype=np.float16), "v")]), "not-finite"),
        "NaN in an attribute": (plain([node("LeakyRelu", ["x"], ["c"], alpha=float("nan"))]), "not-finite"), "NaN in a constant": (plain([node("Constant", [], ["c"], value_float=float("inf"))]), "not-finite"),
        "more bytes than its shape": (plain(tensors=[TensorProto(name="v", data_type=1, dims=[2], raw_data=bytes(40))]), "wrong-onnx"), "fewer bytes than its shape": (plain(tensors=[TensorProto(name="v", data_type=1, dims=[20], raw_data=bytes(8))]), "wrong-onnx"),
        "numbers twice": (plain(tensors=[TensorProto(name="v", data_type=1, dims=[2], raw_data=bytes(8), float_data=[1, 2])]), "wrong-onnx"), "a shape of a billion": (plain(tensors=[TensorProto(name="v", data_type=1, dims=[1 << 30, 4])]), "too-large"),
        "a negative shape": (plain(tensors=[TensorProto(name="v", data_type=1, dims=[-4], raw_data=bytes(16))]), "too-large wrong-onnx"), "nine dimensions": (plain(tensors=[TensorProto(name="v", data_type=1, dims=[1] * 9, raw_data=bytes(4))]), "too-large"),
        "a type that is none": (plain(tensors=[TensorProto(name="v", data_type=99, dims=[1], raw_data=bytes(4))]), "wrong-onnx"), "a float of 8 bits": (plain(tensors=[TensorProto(name="v", data_type=17, dims=[1], raw_data=bytes(1))]), "wrong-onnx"),
        "long notes": (_noted(plain()), "wrong-onnx"), "sparse weights": (_sparse(plain()), "wrong-onnx"), "functions": (_functions(plain()), "wrong-onnx"), "training information": (_training(plain()), "wrong-onnx"),
        "a reference for an attribute": (_reference(plain([node("LeakyRelu", ["x"], ["c"], alpha=0.1)])), "wrong-onnx"), "an attribute twice": (_attribute_twice(plain([node("LeakyRelu", ["x"], ["c"], alpha=0.1)])), "wrong-onnx"),
        "shapes that do not fit": (plain([node("MatMul", ["x", "Q"], ["c"])], [numpy_helper.from_array(np.zeros((7, 2), dtype=np.float32), "Q")]), "wrong-onnx"), "no nodes": (_without(plain().graph, "node", plain()), "wrong-onnx"),
        "no graph": (onnx.ModelProto(ir_version=8, producer_name="x" * 20), "wrong-onnx"),
    }
    for what, (model, codes) in every.items():
        yield offer(f"onnx with {what}", "onnx", model.SerializeToString(), "onnx", "run" if what == "shapes that do not fit" else "check", codes)
    yield from _graph_trees(helper, TensorProto)
    raw = plain().SerializeToString()
    # Field 200, of bytes: no part of a model, and kept by whoever reads and writes it.
    yield offer("onnx with a field that is none", "onnx", raw + b"\xc2\x0c\x05hello", "onnx", "check", "wrong-onnx")
    yield offer("onnx with its graph twice", "onnx", raw + raw[raw.index(b"\x3a") :], "onnx", "check", "wrong-onnx")
    yield offer("onnx with three classes", "onnx", base, "onnx", "run", "signature-lies", classes=("a", "b", "c"), **said)
    narrow = plain(inputs=[helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, COLUMNS])])
    narrow.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.full((COLUMNS, 3), 0.1, dtype=np.float32), "W"))
    narrow.graph.output[0].CopyFrom(helper.make_tensor_value_info("p", TensorProto.FLOAT, None))
    yield offer("onnx with a class more than declared", "onnx", narrow.SerializeToString(), "onnx", "run", "signature-lies")


def _without(part: Any, field: str, whole: Any = None) -> Any:
    if whole is not None:
        del whole.graph.node[:]
        return whole
    del getattr(part, field)[:]
    return part


def _noted(model: Any) -> Any:
    model.metadata_props.add(key="note", value="x" * 100_000)
    return model


def _sparse(model: Any) -> Any:
    sparse = model.graph.sparse_initializer.add()
    sparse.values.name = "s"
    sparse.dims.append(4)
    return model


def _functions(model: Any) -> Any:
    model.functions.add(name="f", domain="local")
    return model


def _training(model: Any) -> Any:
    model.training_info.add()
    return model


def _reference(model: Any) -> Any:
    model.graph.node[-1].attribute[0].ref_attr_name = "outer"
    return model


def _attribute_twice(model: Any) -> Any:
    model.graph.node[-1].attribute.add().CopyFrom(model.graph.node[-1].attribute[0])
    return model


def _graph_trees(helper: Any, TensorProto: Any) -> Iterator[Case]:
    def model(**changes: Any) -> bytes:
        held = {
            "nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [0, 0, 0], "nodes_values": [0.5, 0.0, 0.0], "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
            "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0], "class_treeids": [0, 0], "class_nodeids": [1, 2], "class_ids": [0, 1], "class_weights": [1.0, 1.0],
            "classlabels_int64s": [0, 1], "post_transform": "NONE",
        } | changes
        tree = helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "p"], domain="ai.onnx.ml", **held)
        graph = helper.make_graph([tree], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, COLUMNS])],
                                  [helper.make_tensor_value_info("label", TensorProto.INT64, [None]), helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 2])])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8).SerializeToString()

    yield offer("onnx tree by hand", "well-formed", model(), "onnx")
    for what, changes in {
        "a child that is not there": {"nodes_truenodeids": [9, 0, 0]}, "a cycle": {"nodes_truenodeids": [0, 0, 0]}, "a shared child": {"nodes_falsenodeids": [1, 0, 0]}, "a mode that is none": {"nodes_modes": ["EXEC", "LEAF", "LEAF"]},
        "a negative feature": {"nodes_featureids": [-1, 0, 0]}, "a huge feature": {"nodes_featureids": [1 << 40, 0, 0]}, "short lists": {"nodes_featureids": [0]}, "two nodes of one number": {"nodes_nodeids": [0, 1, 1]},
        "an answer for an output that can not be": {"class_ids": [0, 1 << 50]}, "answers of different lengths": {"class_weights": [1.0]}, "a threshold that is no number": {"nodes_values": [float("nan"), 0.0, 0.0]},
    }.items():
        yield offer(f"onnx tree with {what}", "onnx", model(**changes), "onnx", "check", "broken-tree not-finite")


# --- skops --------------------------------------------------------------------------------------


def schemas() -> Iterator[Case]:
    import skops.io
    from sklearn.tree import DecisionTreeClassifier

    model, said = sound("skops")
    members = unzipped(model)
    schema = json.loads(members["schema.json"])

    def written(change: Callable[[dict[str, Any]], Any], held: dict[str, bytes] = members) -> bytes:
        document = json.loads(held["schema.json"])
        change(document)
        return zipped(held | {"schema.json": json.dumps(document).encode()})

    evil = [
        ("FunctionNode", "os", "system"), ("MethodNode", "builtins", "eval"), ("OperatorFuncNode", "operator", "methodcaller"), ("ObjectNode", "subprocess", "Popen"), ("ObjectNode", "os", "popen"),
        ("ObjectNode", "sklearn.utils._joblib", "Parallel"), ("PartialNode", "functools", "partial"), ("ReduceNode", "sklearn.tree._tree", "Tree"), ("TypeNode", "posix", "system"), ("TypeNode", "builtins", "eval"),
        ("TypeNode", "builtins", "type"), ("ObjectNode", "builtins", "exec"), ("ObjectNode", "numpy.testing", "Tester"), ("ObjectNode", "pathlib", "PosixPath"), ("ObjectNode", "sklearn.tests.test_base", "Pipeline"),
        ("ObjectNode", "sklearn.conftest", "Pipeline"), ("ObjectNode", "sklearn.externals.array_api_compat", "Pipeline"), ("ObjectNode", "sklearnx.pipeline", "Pipeline"), ("ObjectNode", "sklearn", "Pipeline"), ("ObjectNode", "sklearn.pipeline", "make_pipeline"),
        ("ConstructorFromReduceNode", "builtins", "getattr"), ("ListNode", "sklearn.pipeline", "Pipeline"), ("DictNode", "collections", "Counter"), ("SetNode", "builtins", "list"), ("TupleNode", "sklearn.pipeline", "Pipeline"),
        ("NdArrayNode", "builtins", "bytes"), ("TreeNode", "sklearn.tree._tree", "DepthFirstTreeBuilder"), ("DefaultDictNode", "collections", "defaultdict"), ("BytesNode", "builtins", "bytes"), (["ObjectNode"], "os", "system"), (None, "os", "system"),
    ]
    for loader, module, name in evil:
        node = {"__loader__": loader, "__module__": module, "__class__": name, "__id__": 987654}
        yield offer(f"skops with {loader} of {module}.{name}", "skops", written(lambda d, node=node: d["content"].update(evil=node)), "skops", "check", "class-refused wrong-skops", **said)
    other = {"__loader__": "TypeNode", "__module__": "builtins", "__class__": "str", "__id__": schema["__id__"]}
    own = next(name for name in members if name.endswith(".npy"))
    every: dict[str, tuple[bytes, str]] = {
        "two objects of one id": (written(lambda d: d["content"].update(again=other)), "wrong-skops"), "a member that is missing": (zipped({name: data for name, data in members.items() if name != own}), "wrong-skops"),
        "no schema": (zipped({name: data for name, data in members.items() if name != "schema.json"}), "zip-refused"), "a schema that is a list": (zipped(members | {"schema.json": b"[]"}), "wrong-skops"),
        "a schema that is no JSON": (zipped(members | {"schema.json": b"{"}), "wrong-skops"), "a schema with a key twice": (zipped(members | {"schema.json": b'{"a": 1, "a": 2}'}), "wrong-skops"),
        "a deep schema": (zipped(members | {"schema.json": b'{"a":' * 3000 + b"1" + b"}" * 3000}), "wrong-skops"), "an empty schema": (zipped(members | {"schema.json": b""}), "wrong-skops"), "NaN in the schema": (zipped(members | {"schema.json": b'{"a": NaN}'}), "wrong-skops"),
        "a schema that is no text": (zipped(members | {"schema.json": b"\xff\xfe"}), "wrong-skops"), "a function of its own": (skops.io.dumps(_own_function()), "class-refused"),
        "an array of objects": (zipped(members | {own: _npy({"descr": "|O", "fortran_order": False, "shape": (1,)}) + pickle.dumps(1)}), "wrong-skops"), "an array of terabytes": (zipped(members | {own: _npy({"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)})}), "wrong-skops"),
        "an array cut off": (zipped(members | {own: members[own][:-3]}), "wrong-skops"), "an array with more": (zipped(members | {own: members[own] + b"more"}), "wrong-skops"), "an array without a header": (zipped(members | {own: b"\x93NUMPY"}), "wrong-skops"),
        "an array with a negative shape": (zipped(members | {own: _npy({"descr": "<f8", "fortran_order": False, "shape": (-1,)})}), "wrong-skops"), "an array whose header is code": (zipped(members | {own: _raw_npy(b"__import__('os').system('id')")}), "wrong-skops"),
        "an array of version 9": (zipped(members | {own: b"\x93NUMPY\x09\x00" + members[own][8:]}), "wrong-skops"), "a pickle for an array": (zipped(members | {own: pickle.dumps(1)}), "wrong-skops"),
        "an array elsewhere": (written(lambda d: _first_file(d).update(file="../../etc/passwd")), "wrong-skops"), "an array of another kind": (written(lambda d: _first_file(d).update(file="schema.json")), "wrong-skops"),
        "an array by number": (written(lambda d: _first_file(d).update(file=7)), "wrong-skops"), "an array as a matrix": (written(lambda d: _first_file(d).update(__loader__="SparseMatrixNode", __module__="scipy.sparse._csr", __class__="csr_matrix")), "wrong-skops"),
    }
    for what, (data, codes) in every.items():
        yield offer(f"skops with {what}", "skops", data, "skops", "door" if codes == "zip-refused" else "check", codes, **said)
    for kind, data in {"regressor": skops.io.dumps(_fitted(True)), "unfitted": skops.io.dumps(DecisionTreeClassifier()), "transformer": skops.io.dumps(_scaler())}.items():
        yield offer(f"skops of a {kind}", "skops", data, "skops", "run", "model-failed no-probabilities signature-lies")
    yield offer("skops with other classes", "skops", model, "skops", "run", "signature-lies", classes=("benign", "strange"), **said)
    frame = models.part(0, 0.5)
    tree = unzipped(skops.io.dumps(DecisionTreeClassifier(max_depth=3, random_state=0).fit(frame.drop(columns=models.TARGET), frame[models.TARGET])))
    name, nodes = next((name, _read_npy(data)) for name, data in tree.items() if name.endswith(".npy") and _read_npy(data).dtype.names)
    for field, row, value in (("left_child", 0, 10**6), ("right_child", 0, -5), ("left_child", 1, 0), ("left_child", 0, 0), ("feature", 0, 10**6), ("feature", 0, -7), ("threshold", 0, np.nan), ("right_child", 0, -1), ("left_child", 0, 2)):
        spoilt = nodes.copy()
        spoilt[field][row] = value
        out = io.BytesIO()
        np.save(out, spoilt)
        yield offer(f"skops tree with {field}[{row}] = {value}", "skops", zipped(tree | {name: out.getvalue()}), "skops", "check", "broken-tree wrong-skops")
    out = io.BytesIO()
    np.save(out, nodes[:-2])
    yield offer("skops tree with fewer nodes", "skops", zipped(tree | {name: out.getvalue()}), "skops", "check", "broken-tree wrong-skops")


def _npy(header: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue()


def _raw_npy(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def _read_npy(data: bytes) -> np.ndarray:
    return np.load(io.BytesIO(data), allow_pickle=False)


def _first_file(document: Any) -> dict[str, Any]:
    if isinstance(document, dict):
        if isinstance(document.get("file"), str):
            return document
        document = list(document.values())
    for inner in document if isinstance(document, list) else ():
        if isinstance(inner, dict | list) and (found := _first_file(inner)):
            return found
    return {}


def _own_function() -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    return make_pipeline(FunctionTransformer(print), StandardScaler())


def _fitted(values: bool) -> Any:
    from sklearn.linear_model import Ridge

    frame = models.part(0, 0.3).drop(columns=models.TARGET)
    return Ridge().fit(frame, np.arange(len(frame)))


def _scaler() -> Any:
    from sklearn.preprocessing import StandardScaler

    return StandardScaler().fit(models.part(0, 0.3).drop(columns=models.TARGET))


# --- boosted trees ------------------------------------------------------------------------------


def boosted() -> Iterator[Case]:
    from tests.reuse.formats import test_boosters as known

    for what, change in known.BROKEN.items():
        document = json.loads(sound("xgboost")[0])
        change(document)
        yield offer(f"xgboost with {what}", "tree models", json.dumps(document).encode(), "xgboost", "check", "wrong-xgboost objective-refused too-large signature-lies")
    text = sound("lightgbm")[0].decode()
    for what, (old, new) in known.LINES.items():
        spoilt = text.replace(old, new, 1)
        yield offer(f"lightgbm with {what}", "tree models", (spoilt if what == "tree sizes" else known.resized(spoilt)).encode(), "lightgbm", "check", "wrong-lightgbm objective-refused too-large")
    raw = sound("xgboost")[0]
    for what, data in {
        "a key twice": b'{"learner":{},' + raw[1:], "NaN": raw.replace(b'"default_left":[', b'"default_left":[NaN,', 1), "something behind": raw + b"x", "infinity": raw.replace(b'"split_conditions":[', b'"split_conditions":[1e999,', 1),
        "a huge number": raw.replace(b'"left_children":[', b'"left_children":[' + b"9" * 400 + b",", 1), "a deep learner": b'{"learner":' + b'{"a":' * 4000 + b"1" + b"}" * 4001, "a learner that is a list": b'{"learner":[],"version":[3,2,0]}',
        "nothing in its learner": b'{"learner":{},"version":[3,2,0]}', "no learner": b'{"version":[3,2,0]}', "a lone surrogate": raw.replace(b'"name":"gbtree"', b'"name":"\\ud800"', 1),
    }.items():
        yield offer(f"xgboost text with {what}", "tree models", data, "xgboost", "check", "wrong-xgboost")
    binary = (GOLDEN / "xgboost-values-ubj.ubj").read_bytes()
    for what, data in {
        "cut off": binary[: len(binary) // 2], "something behind": binary + b"}", "a length beyond": binary.replace(b"[$d#L" + bytes(7), b"[$d#L" + b"\x7f" + b"\xff" * 6, 1), "a negative length": binary.replace(b"[$d#L" + bytes(7), b"[$d#L" + b"\xff" * 7, 1),
        "a type that is none": binary.replace(b"[$d#", b"[$Z#", 1), "a marker that is none": binary.replace(b"[$d#", b"N$d#", 1), "an object with a length": binary.replace(b"attributes{", b"attributes{#", 1),
        "depth": binary[:18] + b"{L" + struct.pack(">q", 1) + b"a" + (b"[" * 3000),
    }.items():
        yield offer(f"xgboost binary with {what}", "tree models", data, "xgboost", "check", "wrong-xgboost", classes=None)


# --- specifications, manifests, names, cards ----------------------------------------------------


def specifications() -> Iterator[Case]:
    from tests.journeys.test_hostile import SPOILT

    plain = offer("base", "specifications", *_plain())
    raw = specification()
    for what, change in SPOILT.items():
        document = json.loads(raw)
        change(document)
        yield replace(plain, name=f"specification with {what}", specification=json.dumps(document, allow_nan=True).encode(), where="door", codes=ANY)
    bytes_of = {
        "nothing": b"", "a list": b"[]", "null": b"null", "a number": b"12", "no JSON": b"{", "NaN": raw.replace(b'"n": ', b'"n": NaN, "m": ', 1), "a key twice": raw[:-1] + b', "n": 5}', "1e400": raw.replace(b'"n": ', b'"n": 1e400, "m": ', 1),
        "a number of 5,000 digits": raw.replace(b'"n": ', b'"n": ' + b"9" * 5000 + b', "m": ', 1), "a lone surrogate": raw.replace(b'"n": ', b'"s": "\\ud800", "n": ', 1), "NUL in a text": raw.replace(b'"n": ', b'"s": "\\u0000", "n": ', 1),
        "depth": b'{"a":' * 4000 + b"1" + b"}" * 4000, "a mark before": b"\xef\xbb\xbf" + raw, "UTF-16": raw.decode().encode("utf-16"), "a pickle": pickle.dumps({"a": 1}), "a key more": raw[:-1] + b', "exec": "x"}', "binary": bytes(400),
        **{f"a cut at {share}": raw[: int(len(raw) * share)] for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.999)},
    }
    for what, data in bytes_of.items():
        yield replace(plain, name=f"specification: {what}", specification=data, where="door", codes=ANY)


ANY = frozenset({"*"})


def _plain() -> tuple[bytes, str]:
    """The cheapest good model: for cases whose fault lies elsewhere."""
    weight, bias = np.full((2, COLUMNS), 0.1, dtype="<f4"), np.zeros(2, dtype="<f4")
    return tensors_file({"head.weight": weight, "head.bias": bias}), "safetensors"


def simple(name: str, category: str, where: str = "usable", codes: str = "", **changes: Any) -> Case:
    model, kind = _plain()
    return offer(name, category, model, kind, where, codes, takes="coordinates", architecture=LINEAR, **changes)


def manifests() -> Iterator[Case]:
    plain = simple("base", "manifests")
    said = json.loads(plain.manifest)
    lies: dict[str, tuple[dict[str, Any], str]] = {
        "another digest": ({"model": said["model"] | {"sha256": "0" * 64}}, "wrong-digest"), "another size": ({"model": said["model"] | {"size": 7}}, "wrong-digest"), "a digest in capitals": ({"model": said["model"] | {"sha256": "A" * 64}}, "wrong-manifest"),
        "another format": ({"model": said["model"] | {"format": "onnx"}}, "signature-lies"), "a format that is none": ({"model": said["model"] | {"format": "pickle"}}, "wrong-manifest"), "another space": ({"input": said["input"] | {"space": "f" * 64}}, "other-space"),
        "inputs that are none": ({"input": said["input"] | {"takes": "code"}}, "wrong-manifest"), "one class": ({"output": said["output"] | {"classes": ["a"]}}, "wrong-manifest"), "a class twice": ({"output": said["output"] | {"classes": ["a", "a"]}}, "wrong-manifest"),
        "two thousand classes": ({"output": said["output"] | {"classes": [str(i) for i in range(2000)]}}, "wrong-manifest"), "a target among the inputs": ({"output": said["output"] | {"target": "radius"}}, "target-is-input"), "values for classes": ({"output": {"kind": "value", "target": "y"}}, "wrong-manifest"),
        "a licence that is none": ({"licence": "WTFPL; rm -rf /"}, "wrong-manifest"), "a version of words": ({"version": "latest"}, "wrong-manifest"), "a slug with a path": ({"name": "../../evil"}, "wrong-manifest"), "a slug with script": ({"name": "<script>"}, "wrong-manifest"),
        "another owner": ({"owner": "bob"}, "other-owner"), "an owner with a path": ({"owner": "../bob"}, "wrong-manifest"), "a base that is not there": ({"base": {"learnware": "bob/none@1.0.0"}}, "unknown-base"), "a parent that is not there": ({"parents": ["bob/none@1.0.0"]}, "unknown-parent"),
        "a field more": ({"exec": "x"}, "wrong-manifest"), "a card of 70 kB": ({"card": "x" * 70_000}, "wrong-manifest"), "a title of 10 kB": ({"title": "x" * 10_000}, "wrong-manifest"), "a task that is none": ({"task": "guessing"}, "wrong-manifest"),
        "an evaluation of 30 kB": ({"evaluation": {"a": "x" * 30_000}}, "wrong-manifest"), "a scenario of numbers": ({"scenario": [1]}, "wrong-manifest"), "SQL for a title": ({"title": "'; DROP TABLE catalog_version; --"}, ""), "a template for a title": ({"title": "{{ 7 * 7 }} {% debug %}"}, ""),
    }
    for what, (changes, codes) in lies.items():
        yield replace(plain, name=f"manifest with {what}", manifest=json.dumps(said | changes).encode(), where="door" if codes else "usable", codes=frozenset(codes.split()))
    raw = plain.manifest
    for what, data in {
        "nothing": b"", "a list": b"[]", "no JSON": b"{", "a key twice": raw[:-1] + b', "name": "other"}', "NaN": raw[:-1] + b', "evaluation": {"a": NaN}}', "NUL": raw.replace(b'"title": "', b'"title": "\\u0000', 1), "depth": b'{"a":' * 5000 + b"}" * 5000,
        "a surrogate": raw.replace(b'"title": "', b'"title": "\\ud800', 1), "a pickle": pickle.dumps({}), "a number of 400 digits": raw[:-1] + b', "evaluation": {"a": ' + b"9" * 400 + b"}}", "UTF-16": raw.decode().encode("utf-16"), "half": raw[: len(raw) // 2],
    }.items():
        yield replace(plain, name=f"manifest: {what}", manifest=data, where="door", codes=frozenset({"wrong-manifest", "wrong-fields"}))


FILE_NAMES = (
    "../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "C:\\boot.ini", "a/b.skops", "model.skops\0.txt", "model\r\nX-Evil: 1.skops", "<img src=x onerror=alert(1)>.skops", '"; filename="evil.html', "model.skops;evil", "$(touch x).skops", "`id`.skops", "| sh",
    "\u202eskops.exe", "\ufeffmodel.skops", "mod\u0435l.skops", ".hidden", "..", ".", "-rf", "model.skops ", " model.skops", "a" * 300, "", "model.skops/", "~root", "%2e%2e%2fpasswd", "\x1b[2J", "{{7*7}}", "model\tskops", "javascript:alert(1)", "&lt;script&gt;",
)


def file_names() -> Iterator[Case]:
    for number, name in enumerate(FILE_NAMES):
        yield simple(f"file named {name[:30]!r} in learnware.json", "file names", "door", "wrong-manifest", file=name) if name else replace(
            simple("file without a name in learnware.json", "file names", "door", "wrong-manifest", file="x"), manifest=simple("x", "x", file="x").manifest.replace(b'"file": "x"', b'"file": ""'))
        if not set(name) & set("\r\n\0") and name.strip():
            # A name that Django's parser is left with nothing of is no file.
            tail = "".join(letter for letter in html.unescape(name).rsplit("/")[-1].rsplit("\\")[-1] if letter.isprintable()).strip()
            nothing = tail in ("", ".", "..")
            yield replace(simple(f"file sent as {name[:30]!r}", "file names", "door" if nothing else "usable", "wrong-fields" if nothing else "", slug=f"sent-{number}"), filename=name)
    for name in ("learnware.json", "specification.json", "statistics.safetensors"):
        yield simple(f"a model named {name}", "file names", "door", "wrong-manifest", file=name)


CARDS = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "[a](javascript:alert(1))", "[a](JaVaScRiPt:alert(1))", "[a](data:text/html,<script>alert(1)</script>)", "[a](vbscript:x)", "[a](&#106;avascript:alert(1))",
    "![a](javascript:alert(1))", "![a](https://evil.example/x.png)", "![a](//evil.example/x.png)", "![a](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)", "<a href='javascript:alert(1)'>x</a>", "<iframe src=https://evil.example></iframe>", "<style>@import 'https://evil.example'</style>",
    "<link rel=stylesheet href=https://evil.example>", "<meta http-equiv=refresh content='0;url=https://evil.example'>", "<base href=https://evil.example>", "<form action=https://evil.example><button>x</button></form>", "<object data=https://evil.example></object>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>", "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>", "<details open ontoggle=alert(1)>", "<video src=x onerror=alert(1)>", "<body onload=alert(1)>", "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>", "`<img src=x onerror=alert(1)>`", "```\n</code></pre><script>alert(1)</script>\n```", "| <script>alert(1)</script> | b |\n| - | - |\n| <img src=x onerror=alert(1)> | d |", "# <script>alert(1)</script>", "- <script>alert(1)</script>", "> <svg/onload=alert(1)>",
    '[a](https://ok.example "onmouseover=alert(1)")', "[a](https://ok.example\" onmouseover=\"alert(1))", "\u202e<script>alert(1)</script>", "<x onclick=alert(1) style=position:fixed;inset:0>x</x>", "[" * 60_000,
)


def cards() -> Iterator[Case]:
    for number, card in enumerate(CARDS):
        yield simple(f"card {number}: {card[:30]}", "cards", slug=f"card-{number}", card=card)
    for number, unit in enumerate(("![", "*_", "`a", "a|b\n", "[x]: /y\n", "> ")):
        yield simple(f"long card of {unit!r}", "cards", slug=f"long-card-{number}", card=unit * (60_000 // len(unit)))


def truncations() -> Iterator[Case]:
    for kind in KINDS:
        model, said = sound(kind)
        for share in (0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999):
            end = model.find(b"end of trees") if kind == "lightgbm" else len(model)
            cut = model[: max(1, int(end * share))]
            yield offer(f"{kind} cut at {share}", "truncations", cut, kind, "check", "*", **said)


def build(marker: Path) -> list[Case]:
    """Every case, each under a slug of its own."""
    every = [
        *good(), *pickles(marker), *zips(), *others(), *tensors(), *graphs(), *schemas(), *boosted(), *specifications(), *manifests(), *file_names(), *cards(), *truncations(),
    ]
    assert len({case.name for case in every}) == len(every)
    return [_slugged(case, number) for number, case in enumerate(every)]


def _slugged(case: Case, number: int) -> Case:
    try:
        said = json.loads(case.manifest)
        if said.get("name") != "case":
            return case
    except (ValueError, AttributeError, RecursionError):
        return case
    return replace(case, manifest=case.manifest.replace(b'"name": "case"', f'"name": "case-{number}"'.encode(), 1))


# --- the same, without a site -------------------------------------------------------------------


def inspect(case: Case, folder: Path) -> tuple[str, str]:
    """("door" or "check", code) where our validators refuse a case in this process, ("usable", "") where only the sandbox is left to say."""
    from reuse import ReuseError, formats
    from reuse.manifest import Manifest
    from specs import SpecError, Specification

    where = "door"
    try:
        manifest = Manifest.read_bytes(case.manifest)
        Specification.from_bytes(case.specification)
        path = folder / "model.bin"
        path.write_bytes(case.model)
        if formats.identify(path, case.filename) != manifest.format:
            return "door", "signature-lies"
        where = "check"
        formats.member(manifest.format).check(path, manifest)
    except (ReuseError, SpecError) as error:
        return where, error.code
    return "usable", ""
