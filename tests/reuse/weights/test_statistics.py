"""Gram matrices and squared gradients against closed forms and plain loops of torch."""

import numpy as np
import pytest
import torch

from reuse import architectures
from reuse.errors import ReuseError
from reuse.weights import statistics


@pytest.fixture
def net():
    torch.manual_seed(0)
    return architectures.build("mlp", {"inputs": 4, "hidden": [5], "outputs": 3})


@pytest.fixture
def X(random):
    return random.normal(size=(40, 4))


def test_a_gram_is_the_weighted_mean_of_the_inputs_products(net, X, random):
    w = random.uniform(0.1, 1, 40)
    found = statistics.grams(net, X, w)
    w = w / w.sum()
    hidden = torch.relu(net.body[0](torch.as_tensor(X, dtype=torch.float32))).detach().numpy().astype(np.float64)
    assert set(found) == {"gram/body.0.weight", "gram/head.weight"}
    assert np.allclose(found["gram/body.0.weight"], X.T @ (X * w[:, None]), atol=1e-6)
    assert np.allclose(found["gram/head.weight"], hidden.T @ (hidden * w[:, None]), atol=1e-6)


def test_a_point_of_twice_the_weight_is_the_point_twice(net, X):
    twice = np.concatenate([X, X[:1]])
    for made in (statistics.grams, statistics.fishers):
        one, other = made(net, X, np.array([2.0] + [1.0] * 39)), made(net, twice)
        assert all(np.allclose(one[name], other[name], rtol=1e-5, atol=1e-9) for name in one)


def test_a_layer_that_reads_a_sequence_counts_each_row_once(X):
    class Sequence(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 3)

        def forward(self, x):
            return self.layer(x.reshape(len(x), 2, 2))

    found = statistics.grams(Sequence(), X)["gram/layer.weight"]
    flat = X.reshape(-1, 2)
    assert np.allclose(found, flat.T @ flat / len(flat), atol=1e-6)


def plain(net, X, classes):
    """Row by row, label by label, with backward."""
    total = {name: torch.zeros(p.shape, dtype=torch.double) for name, p in net.named_parameters()}
    for x in torch.as_tensor(X, dtype=torch.float32):
        out = net(x[None])[0]
        logs = torch.log_softmax(out, dim=0) if classes else out
        for label in range(len(logs)):
            mass = float(logs[label].detach().exp()) if classes else 1.0
            grads = torch.autograd.grad(logs[label], list(net.parameters()), retain_graph=True)
            for name, g in zip(total, grads, strict=True):
                total[name] += mass * g.double() ** 2 / len(X)
    length = float(torch.sqrt(sum((F**2).sum() for F in total.values())))
    return {f"fisher/{name}": (F / length).numpy() for name, F in total.items()}


def test_fishers_numbers_are_the_mean_squared_gradients_under_the_models_own_labels(net, X):
    found, wanted = statistics.fishers(net, X), plain(net, X, True)
    assert found.keys() == wanted.keys() and all(np.allclose(found[name], wanted[name], rtol=1e-4, atol=1e-8) for name in found)
    assert np.isclose(np.sqrt(sum((F**2).sum() for F in found.values())), 1)


def test_of_values_it_is_the_gradient_of_the_answer(X):
    torch.manual_seed(0)
    net = architectures.build("mlp", {"inputs": 4, "hidden": [5], "outputs": 1})
    found, wanted = statistics.fishers(net, X, classifier=False), plain(net, X, False)
    assert all(np.allclose(found[name], wanted[name], rtol=1e-4, atol=1e-8) for name in found)


def test_of_a_linear_model_of_values_it_is_the_mean_square_of_its_inputs(X):
    found = statistics.fishers(architectures.build("linear", {"inputs": 4, "outputs": 1}), X, classifier=False)
    squares = np.append((X**2).mean(axis=0), 1.0)
    squares /= np.linalg.norm(squares)
    assert np.allclose(found["fisher/head.weight"][0], squares[:4], rtol=1e-5) and np.allclose(found["fisher/head.bias"], squares[4], rtol=1e-5)


def test_many_classes_are_taken_at_the_first_choice(X, monkeypatch):
    net = architectures.build("linear", {"inputs": 4, "outputs": 3})
    exact = statistics.fishers(net, X)
    monkeypatch.setattr(statistics, "EXACT", 2)
    rough = statistics.fishers(net, X)
    x = torch.as_tensor(X, dtype=torch.float32)
    P = torch.softmax(net(x), dim=1).detach().double()
    G = (torch.nn.functional.one_hot(P.argmax(dim=1), 3) - P) ** 2  # the gradient of the bias
    bias = G.mean(dim=0).numpy()
    assert np.allclose(rough["fisher/head.bias"] / rough["fisher/head.bias"].sum(), bias / bias.sum(), rtol=1e-4)
    assert not np.allclose(rough["fisher/head.bias"], exact["fisher/head.bias"], rtol=1e-2)


def test_of_too_many_rows_the_heaviest_are_looked_at(net, X, monkeypatch):
    w = np.linspace(1, 2, 40)
    monkeypatch.setattr(statistics, "MOST", 10)
    found, wanted = statistics.fishers(net, X, w), statistics.fishers(net, X[30:], w[30:])
    assert all(np.allclose(found[name], wanted[name], rtol=1e-5, atol=1e-9) for name in found)


def test_a_module_that_never_moves_has_noughts(X):
    net = architectures.build("linear", {"inputs": 4, "outputs": 1})
    assert statistics.fishers(net, np.zeros((3, 4)), classifier=False)["fisher/head.weight"].tolist() == [[0, 0, 0, 0]]


def test_the_module_is_left_as_it_was(net, X):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    statistics.grams(net, X), statistics.fishers(net, X)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in net.parameters()) and not net.body[0]._forward_pre_hooks


def test_what_is_published_is_read_again(tmp_path, net, X):
    found = statistics.grams(net, X) | statistics.fishers(net, X)
    statistics.write(tmp_path / statistics.FILE, found)
    read = statistics.read(tmp_path / statistics.FILE)
    assert read.keys() == found.keys() and all(np.allclose(read[name], found[name], rtol=1e-6) for name in found)


@pytest.mark.parametrize(("given", "words"), [
    ({"body.0.weight": np.eye(2)}, "gram/TENSOR"), ({"gram/": np.eye(2)}, "gram/TENSOR"), ({"hessian/x": np.eye(2)}, "gram/TENSOR"),
    ({"gram/x": np.full((2, 2), np.nan)}, "NaN"), ({"fisher/x": np.array([np.inf])}, "NaN"), ({"gram/x": np.ones((2, 3))}, "square"), ({"gram/x": np.ones(4)}, "square"),
    ({"gram/x": np.array([[1.0, 2.0], [0.0, 1.0]])}, "symmetric"), ({"gram/x": np.diag([1.0, -1.0])}, "negative"), ({"fisher/x": np.array([0.1, -0.1])}, "negative"),
], ids=["bare", "nameless", "unknown", "nan", "inf", "oblong", "vector", "askew", "negative-gram", "negative-fisher"])
def test_statistics_that_are_none_are_refused(tmp_path, given, words):
    statistics.write(tmp_path / "s.safetensors", given)
    with pytest.raises(ReuseError, match=words) as refused:
        statistics.read(tmp_path / "s.safetensors")
    assert refused.value.code == "wrong-statistics"


def test_statistics_that_are_too_long_or_of_another_type_are_refused(tmp_path):
    from safetensors.numpy import save_file

    statistics.write(tmp_path / "s.safetensors", {"gram/x": np.eye(9)})
    with pytest.raises(ReuseError, match="bytes"):
        statistics.read(tmp_path / "s.safetensors", most=100)
    save_file({"gram/x": np.eye(2)}, tmp_path / "d.safetensors")
    with pytest.raises(ReuseError, match="F64"):
        statistics.read(tmp_path / "d.safetensors")


def test_a_gram_without_numbers_is_no_crash(tmp_path):
    statistics.write(tmp_path / "s.safetensors", {"fisher/x": np.zeros((0, 3)), "gram/y": np.zeros((2, 2))})
    assert statistics.read(tmp_path / "s.safetensors")["fisher/x"].shape == (0, 3)
