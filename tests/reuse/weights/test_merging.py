"""A merge from first tensor to last: who fits whom, what is no weight, and how little memory it takes."""

import tracemalloc

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from reuse import registry
from reuse.errors import Cancelled, ReuseError
from reuse.weights import Checkpoint, kernels, merged, merging
from reuse.weights import files as checkpoints

MERGES = [m.address for m in registry.every() if m.kind == "merge"]
LONG = 2 * kernels.BLOCK + 777


def write(path, tensors):
    save_file(tensors, path)
    return Checkpoint.open(path)


def network(seed, dtype=torch.float32, **more):
    generator = torch.Generator().manual_seed(seed)
    start = torch.Generator().manual_seed(99)
    shapes = {"body.0.weight": (9, 6), "body.0.bias": (9,), "norm.running_mean": (9,), "norm.running_var": (9,), "head.weight": (2, 9)}
    made = {name: (torch.randn(shape, generator=start) + 0.1 * torch.randn(shape, generator=generator) * (seed > 0)).to(dtype) for name, shape in shapes.items()}
    made["norm.running_var"] = made["norm.running_var"].abs()
    return made | {"norm.num_batches_tracked": torch.tensor(10 * seed), "places": torch.arange(4)} | more


@pytest.fixture
def opened(tmp_path):
    """Two fine-tuned and their base, on disk."""
    return [write(tmp_path / f"m{seed}.safetensors", network(seed)) for seed in (1, 2)], write(tmp_path / "base.safetensors", network(0))


def done(tmp_path, models, base, address, name="out.safetensors", **more):
    params = more.pop("params", {})
    merging.merge(models, base, address, params, tmp_path / name, **more)
    return load_file(tmp_path / name)


def test_the_average_of_files_is_the_mean_of_their_tensors(tmp_path, opened):
    models, base = opened
    found, one, two = done(tmp_path, models, base, "merge/average"), network(1), network(2)
    for name in ("body.0.weight", "body.0.bias", "head.weight"):
        assert torch.allclose(found[name], (one[name] + two[name]) / 2, atol=1e-7)


@pytest.mark.parametrize("address", MERGES)
def test_every_merge_of_files_is_the_merge_in_memory(tmp_path, opened, address):
    models, base = opened
    found = done(tmp_path, models, base, address)
    arrays = [{name: value.numpy() for name, value in network(seed).items()} for seed in (1, 2, 0)]
    wanted = merged(address, arrays[:2], arrays[2])
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert np.array_equal(found[name].numpy(), value), name


@pytest.mark.parametrize("address", MERGES)
def test_the_same_merge_twice_is_the_same_bytes(tmp_path, opened, address):
    for name in ("a.safetensors", "b.safetensors"):
        done(tmp_path, *opened, address, name)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize("address", MERGES)
def test_shards_hold_what_one_file_holds(tmp_path, opened, address):
    whole = done(tmp_path, *opened, address)
    merging.merge(*opened, address, {}, tmp_path / "shards", shard_bytes=100)
    found = Checkpoint.open(tmp_path / "shards")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    assert all(np.array_equal(found.values(name), value.numpy()) for name, value in whole.items())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_what_comes_out_has_the_type_that_went_in_rounded_once(tmp_path, dtype):
    models = [write(tmp_path / f"{seed}.safetensors", network(seed, dtype)) for seed in (1, 2, 3)]
    found = done(tmp_path, models, None, "merge/average")
    parts = [network(seed, dtype)["body.0.weight"].float() for seed in (1, 2, 3)]
    third = np.float32(1 / 3)
    wanted = torch.from_numpy(parts[0].numpy() * third + parts[1].numpy() * third + parts[2].numpy() * third)
    assert found["body.0.weight"].dtype == dtype
    assert torch.allclose(found["body.0.weight"].float(), wanted, atol=1e-7, rtol=2 * torch.finfo(torch.bfloat16).eps if dtype != torch.float64 else 1e-6)
    exact = found["body.0.weight"] == wanted.to(dtype)
    assert exact.float().mean() > 0.95  # the order of a sum decides a tie


def test_running_statistics_are_averaged_and_never_a_task_vector(tmp_path, opened):
    models, base = opened
    one, two = network(1), network(2)
    for address in ("merge/task-arithmetic", "merge/ties", "merge/breadcrumbs", "merge/tsv", "merge/average"):
        found = done(tmp_path, models, base, address, address.replace("/", "-"), params={"scale": 20.0} if address != "merge/average" else {})
        for name in ("norm.running_mean", "norm.running_var"):
            assert torch.allclose(found[name], (one[name] + two[name]) / 2, atol=1e-7)
        assert (found["norm.running_var"] >= 0).all()


def test_the_shares_of_ties_do_not_count_running_statistics(tmp_path):
    """Statistics move further than weights: were they counted, no weight would be kept."""
    base = {"w": np.zeros(10, np.float32), "norm.running_mean": np.zeros(10, np.float32)}
    model = {"w": np.arange(1, 11, dtype=np.float32), "norm.running_mean": np.full(10, 1000, np.float32)}
    assert merged("merge/ties", [model], base, {"density": 0.5})["w"].tolist() == [0, 0, 0, 0, 0, 6, 7, 8, 9, 10]


def test_a_counter_takes_the_largest_and_other_whole_numbers_stay(tmp_path, opened):
    found = done(tmp_path, *opened, "merge/average")
    assert found["norm.num_batches_tracked"] == 20 and found["norm.num_batches_tracked"].dtype == torch.int64
    assert found["places"].tolist() == [0, 1, 2, 3]


def test_whole_numbers_that_differ_are_refused_by_name(tmp_path):
    models = [write(tmp_path / "one.safetensors", network(1)), write(tmp_path / "two.safetensors", network(2, places=torch.arange(4) + 1))]
    with pytest.raises(ReuseError, match=r"'places' differs between one\.safetensors and two\.safetensors") as refused:
        done(tmp_path, models, None, "merge/average")
    assert refused.value.code == "other-family" and not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(("change", "code", "words"), [
    ({"more": torch.zeros(2)}, "other-family", r"one\.safetensors and two\.safetensors differ in 'more'"),
    ({"head.weight": torch.zeros(3, 9)}, "other-family", r"'head\.weight' is \[2, 9\] in one\.safetensors and \[3, 9\] in two\.safetensors"),
    ({"head.weight": torch.zeros(2, 9, dtype=torch.float16)}, "other-dtype", r"'head\.weight' is F32 in one\.safetensors and F16 in two\.safetensors"),
], ids=["names", "shapes", "types"])
@pytest.mark.parametrize("as_base", [False, True], ids=["member", "base"])
def test_who_differs_is_named(tmp_path, change, code, words, as_base):
    one, two = write(tmp_path / "one.safetensors", network(1)), write(tmp_path / "two.safetensors", network(2) | change)
    with pytest.raises(ReuseError, match=words) as refused:
        done(tmp_path, [one] if as_base else [one, two], two if as_base else None, "merge/average")
    assert refused.value.code == code and refused.value.hint
    assert not list(tmp_path.glob("*out*")) and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("address", MERGES)
@pytest.mark.parametrize("name", ["body.0.weight", "norm.running_var"])
def test_a_number_that_is_none_names_the_model_and_the_tensor_and_leaves_nothing(tmp_path, opened, address, name):
    models, base = opened
    broken = network(2)
    broken[name].reshape(-1)[3] = torch.nan
    models[1] = write(tmp_path / "broken.safetensors", broken)
    with pytest.raises(ReuseError, match=rf"broken\.safetensors .*{name}") as refused:
        done(tmp_path, models, base, address)
    assert refused.value.code == "not-finite" and not list(tmp_path.glob("*out*"))


def test_numbers_too_large_for_the_members_type_are_refused(tmp_path):
    """Half precision ends at 65,504: a scale that leaves it makes no model."""
    base = write(tmp_path / "base.safetensors", {"x": torch.ones(4, dtype=torch.float16)})
    model = write(tmp_path / "m.safetensors", {"x": torch.full((4,), 2.0, dtype=torch.float16)})
    with pytest.raises(ReuseError):
        done(tmp_path, [model], base, "merge/task-arithmetic", params={"scale": 1e6})


def test_a_method_that_needs_the_base_says_so_and_leaves_nothing(tmp_path, opened):
    for address in ("merge/ties", "merge/tsv", "merge/wise-ft"):
        with pytest.raises(ReuseError) as refused:
            done(tmp_path, opened[0], None, address)
        assert refused.value.code == "no-base" and not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize(("address", "params", "code"), [
    ("merge/nothing", {}, "unknown-method"), ("merge/ties", {"dense": 0.2}, "unknown-parameter"), ("merge/ties", {"density": "much"}, "wrong-parameter"),
    ("merge/ties", {"density": 0.0}, "wrong-parameter"), ("merge/dare", {"drop": 1.0}, "wrong-parameter"), ("merge/breadcrumbs", {"keep": 1.5}, "wrong-parameter"),
    ("merge/regmean", {"shrink": -0.1}, "wrong-parameter"),
])
def test_a_method_or_parameter_that_is_none_leaves_nothing(tmp_path, opened, address, params, code):
    with pytest.raises(ReuseError) as refused:
        done(tmp_path, *opened, address, params=params)
    assert refused.value.code == code and not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("more", [{}, {"shard_bytes": 100}], ids=["file", "shards"])
@pytest.mark.parametrize("after", range(7))
def test_a_merge_that_is_called_off_leaves_nothing(tmp_path, opened, after, more):
    asked = []
    with pytest.raises(Cancelled):
        merging.merge(*opened, "merge/ties", {}, tmp_path / "new" / "out", over=lambda: asked.append(1) or len(asked) > after, **more)
    assert len(asked) == after + 1 and list((tmp_path / "new").iterdir()) == []


def test_each_tensor_is_told(tmp_path, opened):
    heard = []
    merging.merge(*opened, "merge/average", {}, tmp_path / "out", seen=lambda *said: heard.append(said))
    assert [name for _, name in heard] == [layout.name for layout in checkpoints.canonical(list(opened[1].layouts.values()))]
    assert [share for share, _ in heard] == sorted(share for share, _ in heard) and heard[0][0] == 0 and heard[-1][0] < 1


@pytest.mark.parametrize(("address", "params"), [*((address, {}) for address in MERGES), ("merge/ties", {"per_tensor": True}), ("merge/breadcrumbs", {"per_row": True})], ids=str)
def test_tensors_without_numbers_are_carried_along(tmp_path, address, params):
    models = [write(tmp_path / f"{i}.safetensors", {"a": torch.full((2, 2), float(i)), "empty": torch.zeros(0, 4), "point": torch.tensor(float(i))}) for i in range(3)]
    found = done(tmp_path, models[1:], models[0], address, params=params)
    assert found["empty"].shape == (0, 4) and found["point"].shape == () and torch.isfinite(found["point"])


@pytest.mark.parametrize("address", ["merge/average", "merge/ties", "merge/breadcrumbs", "merge/dare", "merge/wise-ft"])
def test_memory_is_a_few_blocks_and_not_a_model(tmp_path, address):
    parts = {"a": torch.zeros(1 << 23), "b": torch.zeros(1 << 21), "c": torch.zeros(2000, 3000)}
    generator = torch.Generator().manual_seed(0)
    for part in parts.values():
        part.normal_(generator=generator)
    models = [write(tmp_path / "0.safetensors", parts), write(tmp_path / "1.safetensors", {name: part.flip(0) for name, part in parts.items()})]
    merging.merge(models, models[0], address, {}, tmp_path / "warm")  # compiled
    tracemalloc.start()
    try:
        merging.merge(models, models[0], address, {}, tmp_path / "out")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert models[0].nbytes > 60e6 and peak < models[0].nbytes / 10


def test_models_of_one_start_are_akin_and_strangers_are_named(tmp_path, opened):
    models, base = opened
    merging.akin(models, base)
    merging.akin(models, None)
    stranger = {name: torch.randn(value.shape, generator=torch.Generator().manual_seed(7)) if value.is_floating_point() else value for name, value in network(1).items()}
    odd = write(tmp_path / "odd.safetensors", stranger)
    for given in (([*models, odd], base), ([*models, odd], None), (models, odd), ([odd], base)):
        with pytest.raises(ReuseError, match=r"odd\.safetensors") as refused:
            merging.akin(*given)
        assert refused.value.code == "other-base" and refused.value.hint


def test_one_model_alone_is_akin_to_itself(opened):
    merging.akin(opened[0][:1], None)


def test_cosines_are_those_of_the_matrices(random):
    A = random.normal(size=(3, 40, 30)).astype(np.float32)
    found = merging.Models([Checkpoint.of({"w": a, "b": np.ones(5)}) for a in A[:2]], Checkpoint.of({"w": A[2], "b": np.ones(5)})).cosines()
    flat = A.reshape(3, -1) / np.linalg.norm(A.reshape(3, -1), axis=1, keepdims=True)
    assert np.allclose(found, flat @ flat.T, atol=1e-6)


def test_models_without_a_matrix_can_not_be_told_apart_and_are_not_refused():
    merging.akin([Checkpoint.of({"scale": np.array([1.0, 2.0])}), Checkpoint.of({"scale": np.array([1.1, 2.0])})], None)


def test_a_base_of_noughts_can_not_be_told_from_another_and_is_not_refused(random):
    """Logistic regression often starts there."""
    models = [Checkpoint.of({"head.weight": np.ones((2, 5)) + 0.1 * random.normal(size=(2, 5))}, f"m{i}") for i in range(2)]
    merging.akin(models, Checkpoint.of({"head.weight": np.zeros((2, 5))}, "base"))


@pytest.mark.parametrize(("address", "kind", "shape"), [("merge/regmean", "gram", (5, 5)), ("merge/fisher", "fisher", (6, 9))])
def test_statistics_of_another_shape_are_refused_by_name(opened, address, kind, shape):
    models = [{name: value.numpy() for name, value in network(seed).items()} for seed in (1, 2)]
    with pytest.raises(ReuseError, match=r"body\.0\.weight"):
        merged(address, models, statistics=[{f"{kind}/body.0.weight": np.ones(shape)}] * 2)
