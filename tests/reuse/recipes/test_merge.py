"""Merges from a plan to a folder: sweeps on labelled rows, statistics of owners and specifications, and who is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reuse import ReuseError, evidence, predictor, recipes, registry
from reuse.errors import Cancelled
from reuse.formats import safetensors
from reuse.manifest import Manifest
from reuse.recipes.merge import refreshed
from reuse.weights import statistics
from tests.journeys import models
from tests.reuse.conftest import plan, stored

SWEPT = ["merge/wise-ft", "merge/task-arithmetic", "merge/ties", "merge/breadcrumbs", "merge/tsv", "merge/iso-c", "merge/dare", "merge/slerp"]


def fit(bench, address, rows="all", **params):
    method = registry.find(address)
    return recipes.fit(bench, method, method.read_params(params), np.arange(len(bench.y)) if isinstance(rows, str) else rows)


def weights(one):
    return {name: value.numpy() for name, value in one.model.state_dict().items()}


def of(member):
    return {name: value.numpy() for name, value in safetensors.state(member.path).items()}


@pytest.fixture
def bench(grown, labelled, tmp_path):
    base, tuned = grown
    return recipes.Bench(plan(tuned, "auto", labelled, base=base), tmp_path)


@pytest.mark.parametrize("address", SWEPT)
def test_with_labels_the_best_of_the_sweep_is_taken(bench, address):
    one = fit(bench, address)
    curve = one.facts["curve"]
    assert [p["value"] for p in curve["points"]] == sorted(p["value"] for p in curve["points"]) and curve["rows"] == 60
    assert curve["chosen"] == one.facts["params"][curve["parameter"]]
    best = max(p["score"] for p in curve["points"])
    # Chosen by the loss, half of which is the error: nobody does much better.
    assert next(p["score"] for p in curve["points"] if p["value"] == curve["chosen"]) > best - 0.05
    assert (one.predict(np.arange(60)).argmax(axis=1) == bench.y).mean() == pytest.approx(next(p["score"] for p in curve["points"] if p["value"] == curve["chosen"]))


def test_the_sweep_is_what_each_value_alone_would_give(bench, grown, labelled, tmp_path):
    curve = fit(bench, "merge/wise-ft").facts["curve"]
    losses = {}
    for point in curve["points"]:
        alone = recipes.Bench(plan(grown[1], "merge/wise-ft", labelled, base=grown[0], params={"alpha": point["value"]}), tmp_path / str(point["value"]))
        output = fit(alone, "merge/wise-ft", alpha=point["value"]).predict(np.arange(60))
        assert evidence.score(output, alone.y)[0] == pytest.approx(point["score"])
        losses[point["value"]] = evidence.losses(output, alone.y).mean()
    assert min(losses, key=losses.get) == curve["chosen"]


def test_what_the_user_set_is_not_swept(grown, labelled, tmp_path):
    base, tuned = grown
    bench = recipes.Bench(plan(tuned, "merge/wise-ft", labelled, base=base, params={"alpha": 0.35}), tmp_path)
    one = fit(bench, "merge/wise-ft", alpha=0.35)
    assert one.facts["params"] == {"alpha": 0.35} and "curve" not in one.facts
    assert np.allclose(weights(one)["head.bias"], 0.65 * of(base)["head.bias"] + 0.35 * np.mean([of(m)["head.bias"] for m in tuned], axis=0), atol=1e-6)


def test_of_values_that_do_as_well_the_default_is_taken(family, labelled, tmp_path):
    """Base and tuned are one model: every alpha gives the same."""
    base, tuned = family
    same = [replace(m, path=base.path, manifest=Manifest.read(base.manifest.to_json() | {"base": {"learnware": base.reference}})) for m in tuned]
    bench = recipes.Bench(plan(same, "auto", labelled, base=base), tmp_path)
    assert fit(bench, "merge/wise-ft").facts["params"]["alpha"] == 0.5


def test_without_labels_the_default_is_taken(grown, tmp_path):
    bench = recipes.Bench(plan(grown[1], "merge/ties", base=grown[0]), tmp_path)
    one = fit(bench, "merge/ties", None)
    assert "curve" not in one.facts and one.facts["params"]["density"] == 0.2 and one.free().shape == (bench.plan.requirement.size, 2)


def test_a_variant_is_made_once_however_often_it_is_asked_for(bench, monkeypatch):
    from reuse.weights import merging

    made, real = [], merging.merge
    monkeypatch.setattr(merging, "merge", lambda *args, **more: made.append(args[2]) or real(*args, **more))
    for chosen in (np.arange(60), np.arange(40), np.arange(20, 60)):
        fit(bench, "merge/wise-ft", chosen)
    assert len(made) == 11


def test_a_merge_that_is_called_off_says_so(grown, labelled, tmp_path):
    for after in (0, 1, 5, 12):
        asked = []
        bench = recipes.Bench(plan(grown[1], "auto", labelled, base=grown[0]), tmp_path / str(after), lambda after=after, asked=asked: asked.append(1) or len(asked) > after)
        bench.workdir.mkdir()
        with pytest.raises(Cancelled):
            fit(bench, "merge/wise-ft")
        assert not [p for p in bench.workdir.iterdir() if p.name.startswith(".")]


def test_greedy_soup_keeps_those_that_help(grown, labelled, tmp_path):
    base, tuned = grown
    generator = torch.Generator().manual_seed(3)
    state = {name: value + 0.8 * torch.randn(value.shape, generator=generator) for name, value in safetensors.state(tuned[0].path).items()}
    spoiled = stored(tmp_path, "spoiled", state, tuned[0].manifest.model["architecture"]["config"], base=tuned[0].manifest.base)
    bench = recipes.Bench(plan([spoiled, *tuned], "merge/greedy-soup", labelled), tmp_path)
    one = fit(bench, "merge/greedy-soup")
    alone = {m.reference: evidence.losses(safetensors.load(m.path, m.manifest)(bench.X), bench.y).mean() for m in [spoiled, *tuned]}
    assert evidence.losses(one.predict(np.arange(60)), bench.y).mean() <= min(alone.values()) + 1e-9
    assert min(alone, key=alone.get) in [m.reference for m in one.used] and spoiled.reference not in [m.reference for m in one.used]
    assert np.allclose(weights(one)["head.weight"], np.mean([of(m)["head.weight"] for m in one.used], axis=0), atol=1e-6)


def stranger(tmp_path, like):
    generator = torch.Generator().manual_seed(11)
    state = {name: torch.randn(value.shape, generator=generator) for name, value in safetensors.state(like.path).items()}
    return stored(tmp_path, "stranger", state, like.manifest.model["architecture"]["config"], base=like.manifest.base)


@pytest.mark.parametrize("address", [m.address for m in registry.every() if m.kind == "merge"])
@pytest.mark.parametrize("with_base", [True, False], ids=["base", "no-base"])
def test_models_of_different_starts_are_refused_whatever_they_declare(grown, labelled, tmp_path, address, with_base):
    base, tuned = grown
    module = __import__(registry.find(address).module, fromlist=["merge"])
    if not with_base and getattr(module, "NEEDS_BASE", False):
        return
    bench = recipes.Bench(plan([tuned[0], stranger(tmp_path, tuned[1])], address, labelled, base=base if with_base else None), tmp_path)
    with pytest.raises(ReuseError, match="stranger") as refused:
        fit(bench, address)
    assert refused.value.code == "other-base"


# -- statistics -------------------------------------------------------------------------------


def published(member, X, folder):
    module = safetensors.module(member.path, member.manifest)
    path = folder / f"{member.manifest.name}-{statistics.FILE}"
    statistics.write(path, statistics.grams(module, X) | statistics.fishers(module, X, classifier=member.manifest.is_classifier))
    return replace(member, statistics=path)


@pytest.mark.parametrize("address", ["merge/regmean", "merge/fisher"])
def test_what_owners_published_is_used(grown, labelled, tmp_path, address):
    base, tuned = grown
    X = [models.space().encode(models.part(*part).drop(columns=models.TARGET)) for part in ((0, 0.55), (0.45, 1))]
    with_files = [published(member, x, tmp_path) for member, x in zip(tuned, X, strict=True)]
    one = fit(recipes.Bench(plan(with_files, address, labelled, base=base), tmp_path), address)
    from_points = fit(recipes.Bench(plan(tuned, address, labelled, base=base), tmp_path), address)
    found, W = weights(one), [of(m) for m in tuned]
    read = [statistics.read(m.statistics) for m in with_files]
    if address == "merge/regmean":
        G = [0.9 * s["gram/head.weight"].astype(float) + 0.1 * np.diag(np.diag(s["gram/head.weight"])) for s in read]
        wanted = sum(w["head.weight"] @ g for w, g in zip(W, G, strict=True)) @ np.linalg.pinv(sum(G), rcond=1e-9)
        alive = np.diag(sum(G)) > 1e-4
        assert np.allclose(found["head.weight"][:, alive], wanted[:, alive], atol=1e-2)
    else:
        F = [s["fisher/head.weight"] + 1e-6 for s in read]
        assert np.allclose(found["head.weight"], sum(f * w["head.weight"] for f, w in zip(F, W, strict=True)) / sum(F), atol=1e-5)
    assert not np.allclose(found["body.0.weight"], weights(from_points)["body.0.weight"], atol=1e-4)
    assert (one.predict(np.arange(60)).argmax(axis=1) == bench_y(labelled)).mean() > 0.85


def bench_y(labelled):
    return np.array([models.CLASSES.index(label) for label in labelled.target])


@pytest.mark.parametrize("address", ["merge/regmean", "merge/fisher"])
def test_without_them_the_points_of_the_specifications_stand_for_the_data(grown, labelled, tmp_path, address):
    base, tuned = grown
    bench = recipes.Bench(plan(tuned, address, base=base), tmp_path)
    found = weights(fit(bench, address, None))
    mean = {name: np.mean([of(m)[name] for m in tuned], axis=0) for name in found}
    assert not np.allclose(found["body.0.weight"], mean["body.0.weight"], atol=1e-3)
    if address == "merge/regmean":
        points = [(m.rkme.points.astype(float), m.rkme.distribution) for m in tuned]
        G = [0.9 * (Z.T @ (Z * w[:, None])) + 0.1 * np.diag(np.diag(Z.T @ (Z * w[:, None]))) for Z, w in points]
        wanted = sum(of(m)["body.0.weight"] @ g for m, g in zip(tuned, G, strict=True)) @ np.linalg.inv(sum(G))
        assert np.allclose(found["body.0.weight"], wanted, atol=1e-3) and np.allclose(found["body.0.bias"], mean["body.0.bias"], atol=1e-6)


@pytest.mark.parametrize("address", ["merge/regmean", "merge/fisher"])
@pytest.mark.parametrize("from_owner", [False, True], ids=["points", "published"])
def test_statistics_follow_the_head_into_another_class_order(tmp_path, address, from_owner):
    """The same model with its three classes in another order must merge to the same."""
    config, classes, order = {"inputs": 10, "outputs": 3}, ["a", "b", "c"], [2, 0, 1]
    start = torch.randn(3, 10, generator=torch.Generator().manual_seed(0))
    states = [{"head.weight": start + 0.3 * torch.randn(3, 10, generator=torch.Generator().manual_seed(i)), "head.bias": torch.randn(3, generator=torch.Generator().manual_seed(9 + i))} for i in (1, 2)]
    base = {"learnware": "alice/nobody@1.0.0"}
    one, two = (stored(tmp_path, f"l{i}", state, config, architecture="linear", base=base, classes=classes) for i, state in enumerate(states))
    turned = stored(tmp_path, "turned", {name: value[order] for name, value in states[1].items()}, config, architecture="linear", base=base, classes=[classes[i] for i in order])
    if from_owner:
        X = models.space().encode(models.part(0, 1).drop(columns=models.TARGET))[:100]
        one, two, turned = (published(member, X, tmp_path) for member in (one, two, turned))
    output = {"kind": "classes", "target": models.TARGET, "classes": classes}
    straight, other = (weights(fit(recipes.Bench(plan([one, second], address, output=output), tmp_path / second.manifest.name), address, None)) for second in (two, turned))
    assert all(np.allclose(other[name], value, atol=1e-5) for name, value in straight.items())


@pytest.mark.parametrize("address", ["merge/regmean", "merge/fisher"])
def test_statistics_of_another_model_are_refused(grown, tmp_path, address):
    base, tuned = grown
    path = tmp_path / "s.safetensors"
    statistics.write(path, {"gram/head.weight": np.eye(3), "fisher/head.weight": np.ones((5, 5))})
    bench = recipes.Bench(plan([replace(m, statistics=path) for m in tuned], address, base=base), tmp_path)
    with pytest.raises(ReuseError, match=r"head\.weight"):
        fit(bench, address, None)


# -- normalisation ----------------------------------------------------------------------------


def test_running_statistics_are_estimated_anew(random):
    X = (5 + 3 * random.normal(size=(200, 4))).astype(np.float32)
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6), torch.nn.ReLU(), torch.nn.Linear(6, 3), torch.nn.BatchNorm1d(3))
    assert refreshed(module, X) and not module.training and module[1].momentum == 0.1
    H = X.astype(float) @ module[0].weight.detach().numpy().T + module[0].bias.detach().numpy()
    assert np.allclose(module[1].running_mean, H.mean(axis=0), atol=1e-4) and np.allclose(module[1].running_var, H.var(axis=0, ddof=1), rtol=1e-3)
    # The second layer saw what the first gives once its own statistics are the new ones.
    Z = np.maximum((H - H.mean(axis=0)) / np.sqrt(H.var(axis=0) + 1e-5), 0) @ module[3].weight.detach().numpy().T + module[3].bias.detach().numpy()
    assert np.allclose(module[4].running_mean, Z.mean(axis=0), atol=1e-3) and np.allclose(module[4].running_var, Z.var(axis=0, ddof=1), rtol=1e-2)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with torch.inference_mode():
        module(torch.as_tensor(X))
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_many_rows_are_thinned_and_one_is_too_few(random):
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(2))
    X = np.stack([np.arange(5120.0), np.zeros(5120)], axis=1)
    assert refreshed(module, X) and module[0].running_mean[0].item() == pytest.approx(X[::20, 0].mean())
    held = module[0].running_mean.clone()
    assert not refreshed(module, X[:1]) and torch.equal(held, module[0].running_mean)


def test_a_network_without_them_is_left_alone():
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LayerNorm(2), torch.nn.BatchNorm1d(2, track_running_stats=False)).train()
    assert not refreshed(module, np.zeros((9, 2)))


def test_a_merged_network_with_batchnorm_has_statistics_of_its_own(tmp_path, labelled, unseen):
    """Ten columns as an image of 2 x 5; the members' statistics are of other rows altogether."""
    from reuse import architectures

    config = {"height": 2, "width": 5, "filters": [4], "hidden": 6, "outputs": 2, "norm": True}
    torch.manual_seed(0)
    start = architectures.build("cnn", config).state_dict()
    base = stored(tmp_path, "c0", start, config, architecture="cnn")
    tuned = []
    for i in (1, 2):
        state = {name: value + 0.02 * torch.randn(value.shape, generator=torch.Generator().manual_seed(i)) if value.is_floating_point() else value for name, value in start.items()}
        state |= {name: torch.full_like(value, 50.0 * i) for name, value in state.items() if name.endswith("running_mean")}
        tuned.append(stored(tmp_path, f"c{i}", state | {name: value.abs() for name, value in state.items() if name.endswith("running_var")}, config, architecture="cnn", base={"learnware": base.reference}))
    bench = recipes.Bench(plan(tuned, "merge/average", labelled, base=base), tmp_path)
    one = fit(bench, "merge/average")
    layer = one.model.body[1]
    with torch.inference_mode():
        H = one.model.body[0](torch.as_tensor(bench.X, dtype=torch.float32).reshape(-1, 1, 2, 5)).numpy()
    assert np.allclose(layer.running_mean, H.mean(axis=(0, 2, 3)), atol=1e-4) and len(bench.notes) == 1 and "estimated anew" in bench.notes[0]
    found = predictor.load(predictor.write(tmp_path / "predictor", bench.plan, one, {}, {})).predict(unseen).probabilities
    assert np.allclose(found, one.of(models.space().encode(unseen)), atol=1e-6)


# -- folders ----------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [m.address for m in registry.every() if m.kind == "merge"])
def test_what_is_saved_answers_as_what_was_fitted(bench, unseen, tmp_path, address):
    one = fit(bench, address)
    found = predictor.load(predictor.write(tmp_path / "predictor", bench.plan, one, {}, {}))
    assert len(found.manifests) == 1 and np.allclose(found.predict(unseen).probabilities, one.of(models.space().encode(unseen)), atol=1e-6)
