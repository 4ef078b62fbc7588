"""Checkpoints on disk: the bytes that safetensors itself would write, in one file or in shards, whole or not at all."""

import errno
import json
import os
import struct

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from reuse.errors import ReuseError
from reuse.weights import files
from reuse.weights.files import Checkpoint, Layout, writing

TYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16, "F64": torch.float64, "I64": torch.int64, "I32": torch.int32,
         "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool}


def tensor(dtype, *shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    if TYPES[dtype].is_floating_point:
        return torch.randn(shape, generator=generator).to(TYPES[dtype])
    return torch.randint(0, 2, shape, generator=generator).to(TYPES[dtype])


@pytest.fixture
def mixed():
    return {"body.weight": tensor("F32", 7, 5), "body.bias": tensor("BF16", 5), "a": tensor("BF16", 3, 3), "half": tensor("F32", 4), "count": tensor("I64", 3),
            "number": torch.tensor(7), "π/weight": tensor("F32", 2, 2)}


def copied(source, target, **more):
    """Write all of a checkpoint again, in blocks of three numbers."""
    opened = Checkpoint.open(source)
    with writing(target, list(opened.layouts.values()), **more) as write:
        for layout in write.order:
            raw = opened.raw(layout.name)
            write(layout.name, (raw[start : start + 3] for start in range(0, len(raw), 3)))
    return opened


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) and one[name].dtype == two[name].dtype for name in one)


def sharded(folder, parts, index=None):
    folder.mkdir()
    for i, part in enumerate(parts):
        save_file(part, folder / f"part-{i}.safetensors")
    weight_map = {name: f"part-{i}.safetensors" for i, part in enumerate(parts) for name in part}
    (folder / files.INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map} if index is None else index))
    return folder


def raises(code):
    return pytest.raises(ReuseError, check=lambda error: error.code == code)


def test_the_bytes_are_those_of_safetensors_own_writer(tmp_path, mixed):
    save_file(mixed, tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    copied(tmp_path / "theirs.safetensors", tmp_path / "ours.safetensors")
    assert (tmp_path / "ours.safetensors").read_bytes() == (tmp_path / "theirs.safetensors").read_bytes()


@pytest.mark.parametrize("pair", [("F32", "I32"), ("F16", "BF16"), ("F64", "I64"), ("I16", "F16"), ("U8", "BOOL"), ("I8", "U8")], ids="-".join)
@pytest.mark.parametrize("names", ["ab", "ba"])
def test_types_of_one_width_stand_as_safetensors_own_writer_puts_them(tmp_path, pair, names):
    save_file({name: tensor(dtype, 3) for name, dtype in zip(names, pair, strict=True)}, tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    copied(tmp_path / "theirs.safetensors", tmp_path / "ours.safetensors")
    assert (tmp_path / "ours.safetensors").read_bytes() == (tmp_path / "theirs.safetensors").read_bytes()


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_is_read_as_torch_reads_it(tmp_path, dtype):
    save_file({"x": tensor(dtype, 5, 3)}, tmp_path / "m.safetensors")
    found = Checkpoint.open(tmp_path / "m.safetensors")
    wanted = tensor(dtype, 5, 3)
    assert found.layouts["x"] == Layout("x", dtype, (5, 3)) and found.layouts["x"].nbytes == wanted.nbytes == found.nbytes
    assert np.array_equal(found.values("x"), wanted.float().numpy() if wanted.is_floating_point() else wanted.numpy())


def test_the_file_is_read_by_map_and_can_not_be_written_to(tmp_path, mixed):
    save_file(mixed, tmp_path / "m.safetensors")
    found = Checkpoint.open(tmp_path / "m.safetensors")
    assert not found.raw("body.weight").flags.writeable
    found.values("body.weight")[:] = 0  # a copy
    assert np.array_equal(found.values("body.weight"), mixed["body.weight"].numpy())


def test_pages_that_were_given_back_are_read_again(tmp_path):
    wanted = {"a": tensor("F32", 300, 300), "b": tensor("F32", 5000)}
    save_file(wanted, tmp_path / "m.safetensors")
    found = Checkpoint.open(tmp_path / "m.safetensors")
    for stop in (None, 10, 80_000):
        found.release("a", stop)
        assert all(np.array_equal(found.values(name), value.numpy()) for name, value in wanted.items())


def test_a_label_is_what_messages_say_else_the_files_name(tmp_path, mixed):
    save_file(mixed, tmp_path / "m.safetensors")
    assert Checkpoint.open(tmp_path / "m.safetensors").label == "m.safetensors"
    assert Checkpoint.open(tmp_path / "m.safetensors", "alice/m@1.0.0").label == "alice/m@1.0.0"


def test_shards_go_out_and_come_in(tmp_path, mixed):
    save_file(mixed, tmp_path / "whole.safetensors")
    copied(tmp_path / "whole.safetensors", tmp_path / "out", shard_bytes=60)
    shards = sorted(p.name for p in (tmp_path / "out").glob("*.safetensors"))
    index = json.loads((tmp_path / "out" / files.INDEX).read_text())
    assert len(shards) > 2 and set(index["weight_map"].values()) == set(shards) and set(index["weight_map"]) == set(mixed)
    assert index["metadata"]["total_size"] == sum(value.nbytes for value in mixed.values())
    for shard in shards:
        with safe_open(tmp_path / "out" / shard, "pt") as part:
            names = list(part.keys())
            sizes = {name: part.get_tensor(name).nbytes for name in names}
        assert sum(sizes.values()) <= 60 or len(sizes) == 1  # a tensor larger than a shard stands alone
        assert all(index["weight_map"][name] == shard for name in sizes)
    for path in (tmp_path / "out", tmp_path / "out" / files.INDEX):
        found = Checkpoint.open(path)
        assert all(np.array_equal(found.values(name), (value.float() if value.is_floating_point() else value).numpy()) for name, value in mixed.items())
    copied(tmp_path / "out", tmp_path / "again.safetensors")
    assert same(load_file(tmp_path / "again.safetensors"), mixed)


def test_what_fits_one_shard_is_one_file_in_the_folder(tmp_path, mixed):
    save_file(mixed, tmp_path / "whole.safetensors")
    copied(tmp_path / "whole.safetensors", tmp_path / "out", shard_bytes=1 << 20)
    assert [p.name for p in (tmp_path / "out").iterdir()] == [files.SINGLE]
    assert same(load_file(tmp_path / "out" / files.SINGLE), mixed) and set(Checkpoint.open(tmp_path / "out").layouts) == set(mixed)


def test_shards_of_another_writer_are_read(tmp_path, mixed):
    names = sorted(mixed)
    folder = sharded(tmp_path / "model", [{name: mixed[name] for name in names[:3]}, {name: mixed[name] for name in names[3:]}])
    assert set(Checkpoint.open(folder).layouts) == set(mixed)


def test_data_that_lie_askew_are_read_all_the_same(tmp_path):
    """A header of odd length: nothing behind it is aligned."""
    values = np.arange(6, dtype=np.float32)
    head = json.dumps({"x": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "y": {"dtype": "I64", "shape": [], "data_offsets": [24, 32]}}).encode()
    head += b" " * (1 - len(head) % 2)
    path = tmp_path / "askew.safetensors"
    path.write_bytes(struct.pack("<Q", len(head)) + head + values.tobytes() + np.int64(-3).tobytes())
    assert (8 + len(head)) % 4
    found = Checkpoint.open(path)
    assert np.array_equal(found.values("x"), values.reshape(2, 3)) and found.values("y") == -3


def test_a_tensor_without_numbers_and_one_without_dimensions(tmp_path):
    wanted = {"empty": torch.zeros(0, 4), "point": torch.tensor(2.5), "none": torch.zeros(0, dtype=torch.int64)}
    save_file(wanted, tmp_path / "m.safetensors", metadata={"format": "pt"})
    copied(tmp_path / "m.safetensors", tmp_path / "n.safetensors")
    assert (tmp_path / "n.safetensors").read_bytes() == (tmp_path / "m.safetensors").read_bytes()


def test_what_is_no_model_is_said_to_be_none(tmp_path):
    for path in (tmp_path, tmp_path / "nothing.safetensors"):
        with raises("no-model"):
            Checkpoint.open(path)
    (tmp_path / "m.safetensors").write_bytes(b"")
    with raises("wrong-safetensors"):
        Checkpoint.open(tmp_path / "m.safetensors")


@pytest.mark.parametrize("index", ["no json {", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 5}}', '{"weight_map": null}', '{"weight_map": {"a": "x", "b": 3}}', "\ud800"],
                         ids=["broken", "list", "no-map", "number", "no-name", "null", "some-names", "no-text"])
def test_an_index_that_is_none_is_refused(tmp_path, index):
    (tmp_path / files.INDEX).write_bytes(index.encode("utf-8", "surrogatepass"))
    with raises("wrong-index"):
        Checkpoint.open(tmp_path)


def test_an_index_without_tensors_is_refused(tmp_path):
    with pytest.raises(ReuseError):
        Checkpoint.open(sharded(tmp_path / "model", [], {"weight_map": {}}))


def test_an_index_that_is_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_INDEX", 10)
    with raises("wrong-index"):
        Checkpoint.open(sharded(tmp_path / "model", [{"a": tensor("F32", 2)}]))


def test_missing_shards_are_counted(tmp_path, mixed):
    folder = sharded(tmp_path / "model", [{"a": tensor("F32", 2)}, {"b": tensor("F32", 2)}, {"c": tensor("F32", 2)}])
    (folder / "part-1.safetensors").unlink()
    with raises("missing-shards") as refused:
        Checkpoint.open(folder)
    assert "1 of 3" in str(refused.value) and "part-1" in str(refused.value)


def test_a_tensor_in_two_shards_is_refused(tmp_path):
    folder = sharded(tmp_path / "model", [{"a": tensor("F32", 2)}, {"a": tensor("F32", 2), "b": tensor("F32", 2)}],
                     {"weight_map": {"a": "part-0.safetensors", "b": "part-1.safetensors"}})
    with raises("wrong-safetensors") as refused:
        Checkpoint.open(folder)
    assert "'a'" in str(refused.value)


def test_a_tensor_that_the_index_promises_and_no_shard_holds_is_missed(tmp_path):
    folder = sharded(tmp_path / "model", [{"a": tensor("F32", 2)}], {"weight_map": {"a": "part-0.safetensors", "lost": "part-0.safetensors"}})
    with pytest.raises(ReuseError, match="lost"):
        Checkpoint.open(folder)


def test_an_index_can_not_lead_out_of_its_folder(tmp_path):
    save_file({"a": tensor("F32", 2)}, tmp_path / "outside.safetensors")
    folder = sharded(tmp_path / "model", [], {"weight_map": {"a": "../outside.safetensors"}})
    with raises("missing-shards"):
        Checkpoint.open(folder)


def begin(path, **more):
    """Two tensors, of which the second is never written."""
    with writing(path, [Layout("a", "F32", (4,)), Layout("b", "F32", (4,))], **more) as write:
        write("a", iter([np.zeros(4, np.float32)]))
        raise KeyError("in the middle")


@pytest.mark.parametrize("more", [{}, {"shard_bytes": 16}], ids=["file", "shards"])
def test_an_error_in_the_middle_leaves_nothing(tmp_path, more):
    with pytest.raises(KeyError):
        begin(tmp_path / "out", **more)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [{}, {"shard_bytes": 16}], ids=["file", "shards"])
def test_a_tensor_that_was_never_written_is_no_model(tmp_path, more):
    with pytest.raises(ValueError), writing(tmp_path / "out", [Layout("a", "F32", (4,)), Layout("b", "F32", (4,))], **more) as write:
        write("a", iter([np.zeros(4, np.float32)]))
    assert list(tmp_path.rglob("*")) == []


def test_a_tensor_cut_short_is_no_model(tmp_path):
    with pytest.raises(ValueError), writing(tmp_path / "out", [Layout("a", "F32", (4,)), Layout("b", "F32", (4,))]) as write:
        write("a", iter([np.zeros(3, np.float32)]))
        write("b", iter([np.zeros(4, np.float32)]))
    assert list(tmp_path.rglob("*")) == []


def test_an_error_leaves_what_stood_there_before(tmp_path):
    (tmp_path / "out").write_text("older")
    with pytest.raises(KeyError):
        begin(tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["out"] and (tmp_path / "out").read_text() == "older"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").touch()
    with pytest.raises(KeyError):
        begin(tmp_path / "folder", shard_bytes=16)
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["mine"]


def test_nothing_stands_under_the_name_before_it_is_complete(tmp_path, mixed):
    save_file(mixed, tmp_path / "m.safetensors")
    opened = Checkpoint.open(tmp_path / "m.safetensors")
    with writing(tmp_path / "out", list(opened.layouts.values())) as write:
        for layout in write.order:
            write(layout.name, iter([opened.raw(layout.name)]))
            assert not (tmp_path / "out").exists()
    assert (tmp_path / "out").exists() and len(list(tmp_path.iterdir())) == 2 and (tmp_path / "out").stat().st_mode & 0o777 == 0o644


def test_tensors_out_of_order_are_a_mistake_of_ours(tmp_path):
    with pytest.raises(ValueError), writing(tmp_path / "out", [Layout("a", "F32", (1,)), Layout("b", "F32", (1,))]) as write:
        write("b", iter([np.zeros(1, np.float32)]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG], ids=["full", "quota", "too-long"])
@pytest.mark.parametrize("more", [{}, {"shard_bytes": 16}], ids=["file", "shards"])
def test_a_full_disk_is_said_before_the_work_and_leaves_nothing(tmp_path, monkeypatch, number, more):
    def full(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", full)
    worked = []
    with raises("disk-full") as refused, writing(tmp_path / "out", [Layout("a", "F32", (4,)), Layout("b", "F32", (4,))], **more) as write:
        write("a", (worked.append(1) or np.zeros(4, np.float32) for _ in range(1)))
    assert "32 bytes" in str(refused.value) and refused.value.hint and not worked
    assert list(tmp_path.iterdir()) == []


class Full:
    """A file on a disk that fills up after some bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        self.room -= memoryview(data).nbytes
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [10, 200, 3_000])
@pytest.mark.parametrize("more", [{}, {"shard_bytes": 4_000}], ids=["file", "shards"])
def test_a_disk_that_fills_up_while_writing_leaves_nothing(tmp_path, monkeypatch, room, more):
    """Where the file system can not promise room, as over a network."""
    def can_not(*args):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    real = os.fdopen
    monkeypatch.setattr(os, "posix_fallocate", can_not)
    monkeypatch.setattr(os, "fdopen", lambda *args, **given: Full(real(*args, **given), room))
    with raises("disk-full"), writing(tmp_path / "out", [Layout("a", "F32", (1000,)), Layout("b", "F32", (1000,))], **more) as write:
        for name in "ab":
            write(name, iter(np.zeros((2, 500), np.float32)))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_can_not_promise_room_is_written_to(tmp_path, monkeypatch):
    def can_not(*args):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", can_not)
    with writing(tmp_path / "out", [Layout("a", "F32", (4,))]) as write:
        write("a", iter([np.ones(4, np.float32)]))
    assert load_file(tmp_path / "out")["a"].tolist() == [1, 1, 1, 1]


def test_a_disk_that_fails_otherwise_is_not_called_full(tmp_path, monkeypatch):
    def broken(*args):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "posix_fallocate", broken)
    with pytest.raises(OSError, match="Input/output"), writing(tmp_path / "out", [Layout("a", "F32", (4,))]) as write:
        write("a", iter([np.ones(4, np.float32)]))
    assert list(tmp_path.iterdir()) == []


def test_an_index_that_can_not_be_written_takes_the_shards_with_it(tmp_path, monkeypatch):
    from pathlib import Path

    def full(self, *args, **given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with raises("disk-full"), writing(tmp_path / "out", [Layout("a", "F32", (4,)), Layout("b", "F32", (4,))], shard_bytes=16) as write:
        for name in "ab":
            write(name, iter([np.zeros(4, np.float32)]))
    assert list(tmp_path.rglob("*.safetensors")) == []
