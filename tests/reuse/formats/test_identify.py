"""The type of a file is what its structure says; whatever can carry code is refused with a reason and the way out."""

import io
import pickle
import tarfile
import zipfile

import pytest

from reuse import ReuseError, formats


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("model.py")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"boom"))
    return out.getvalue()


HOSTILE = {
    "pickle-refused": [pickle.dumps({"a": 1}, protocol) for protocol in (0, 2, 3, 4, 5)] + [b"cos\nsystem\n(S'touch marker'\ntR."],
    "index-refused": [b"IxF2" + b"\0" * 80],
    "gguf-refused": [b"GGUF" + b"\0" * 80],
    "keras-refused": [b"\x89HDF\r\n\x1a\n" + b"\0" * 100],
    "compressed-refused": [b"\x1f\x8b\x08" + b"\0" * 50, b"BZh9" + b"\0" * 50, b"\xfd7zXZ\0" + b"\0" * 50],
    "zip-refused": [zipped(**{"archive__data.pkl": pickle.dumps(1), "archive__version": b"3"}), zipped(**{"model.py": b"import os"})],
    "archive-refused": [tarred(), b"7z\xbc\xaf\x27\x1c" + b"\0" * 50],
    "code-refused": [b"#!/bin/sh\necho boom\n", b"\x7fELF" + b"\0" * 60, b"MZ" + b"\0" * 60],
    "json-refused": [b'{"model": {"version": [1, 7]}}', b'  {\n "a": 1}', b"[1, 2, 3]"],
    "npy-refused": [b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"],
    "unknown-format": [b"\0" * 200, b"hello, I am a model", b"\xff" * 9],
    "empty-file": [b""],
}


@pytest.mark.parametrize(("code", "data"), [(code, data) for code, every in HOSTILE.items() for data in every])
@pytest.mark.parametrize("name", ["model.safetensors", "model.skops", "model.onnx"])
def test_the_name_does_not_help(tmp_path, code, data, name):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ReuseError) as refused:
        formats.identify(path)
    assert refused.value.code == code
    assert code == "empty-file" or "moorage convert" in refused.value.hint


@pytest.mark.parametrize("place", range(3), ids=["skops", "onnx", "safetensors"])
def test_each_format_is_known_by_its_structure_under_any_name(tmp_path, members, place):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(members[place].path.read_bytes())
    assert formats.identify(path) == members[place].manifest.format
