"""Sums of kernels by the short ways, held against the long one."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

import specs
from specs import kernels
from specs.index import SpaceIndex
from specs.space import Space

LINES = {
    "close": lambda rng, n: rng.normal(size=n), "far": lambda rng, n: rng.uniform(-1e4, 1e4, n).astype(np.float32), "all one": lambda rng, n: np.full(n, 3.25), "gaps": lambda rng, n: rng.normal(size=n) + 50.0 * rng.integers(-3, 4, n),
    "at the edge of cells": lambda rng, n: kernels.WIDE * 0.7 * rng.integers(-4, 5, n), "heavy": lambda rng, n: rng.standard_cauchy(n).clip(-1e4, 1e4),
}


@pytest.mark.parametrize("n", [1, 2, 300, 1000])
def test_a_symmetric_kernel_is_made_by_halves(n):
    rng = np.random.default_rng(n)
    Z, w = rng.normal(size=(n, 3)), rng.normal(size=n)
    whole = rbf_kernel(Z, Z, 0.5 / 1.7**2)
    assert kernels.gram(Z, 1.7) == pytest.approx(whole, abs=1e-14) and kernels.gaussian(Z, Z, 1.7) == pytest.approx(whole, abs=1e-14)
    assert kernels.quadratic(Z, w, 1.7) == pytest.approx(w @ whole @ w, abs=1e-12 * np.abs(w).sum() ** 2)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("sigma", [0.7, 1.0, 40.0, 1e-9])
def test_points_on_a_line_are_summed_by_waves_to_rounding(line, sigma):
    rng = np.random.default_rng(0)
    x, w = LINES[line](rng, 800).astype(np.float64), rng.normal(size=800)
    w /= np.abs(w).sum()
    exact = w @ np.exp(-((x[:, None] - x) ** 2) / (2 * sigma**2)) @ w
    # Places are as exact as their size in standard deviations lets them be, either way.
    assert kernels.on_a_line(x, w, sigma) == pytest.approx(exact, abs=1e-14 + 1e-15 * np.abs(x).max() / sigma if sigma > 1e-6 else 1e-3)


def space_of(d):
    columns = [{"name": f"c{i}", "type": "numeric", "location": 0.0, "scale": 1.0, "missing": i == 1} for i in range(d - 1)]
    return Space.from_json({"format": "moorage.space/1", "kind": "table", "name": "s", "columns": columns, "kernel": {"type": "gaussian", "sigma": 2.0}})


def rkme(size, d, seed):
    rng = np.random.default_rng(seed)
    return specs.Rkme(points=rng.normal(size=(size, d)) + 0.1 * seed, weights=rng.dirichlet(np.ones(size)), sigma=2.0, n=10 * size)


@pytest.mark.parametrize("size", [20, 150, 700])
def test_columns_are_told_apart_by_the_same_numbers_at_any_size(size):
    space, a, b = space_of(5), rkme(size, 5, 0), rkme(size, 5, 1)
    for found in specs.explain(a, b, space):
        column, (_, where) = next((c, at) for c, at in zip(space.columns, space.coordinates(), strict=True) if c.name == found.column)
        gamma = 0.5 / (space.sigma**2 * column.width / space.d)
        A, B, v, w = a.points[:, where].astype(float), b.points[:, where].astype(float), a.distribution, b.distribution
        exact = v @ rbf_kernel(A, A, gamma) @ v - 2 * v @ rbf_kernel(A, B, gamma) @ w + w @ rbf_kernel(B, B, gamma) @ w
        assert found.squared_mmd == pytest.approx(exact, abs=1e-13)


def test_numeric_columns_of_large_specifications_take_no_kernel_of_every_pair(monkeypatch):
    space, a, b = space_of(5), rkme(700, 5, 0), rkme(700, 5, 1)
    widths, whole = [], kernels.gaussian
    monkeypatch.setattr(kernels, "gaussian", lambda X, Y, sigma: widths.append(X.shape[1]) or whole(X, Y, sigma))
    specs.explain(a, b, space)
    assert set(widths) == {2}  # the one column with missing values


def test_what_hangs_on_the_requirement_alone_is_computed_once(monkeypatch):
    a, others = rkme(50, 5, 0), [rkme(50, 5, seed) for seed in (1, 2, 3)]
    looked, at = [], specs.Rkme.at
    monkeypatch.setattr(specs.Rkme, "at", lambda self, X: looked.append(self) or at(self, X))
    assert len({specs.coverage(a, [other]) for other in others}) == 3 and looked == [a]


def test_marginals_of_the_requirement_are_summed_once(monkeypatch):
    space, a, others = space_of(5), rkme(50, 5, 0), [rkme(60, 5, seed) for seed in (1, 2, 3)]
    summed, quadratic = [], kernels.quadratic
    monkeypatch.setattr(kernels, "quadratic", lambda Z, w, sigma: summed.append(len(Z)) or quadratic(Z, w, sigma))
    for other in others:
        specs.explain(a, other, space)
    assert summed.count(50) == len(space.columns) and summed.count(60) == 3 * len(space.columns)


def test_an_index_knows_the_norms_of_what_it_holds(monkeypatch):
    space, a = space_of(5), rkme(50, 5, 0)
    index = SpaceIndex(space)
    index.add(1, replace(a, space_id=space.id))
    norm = a.squared_norm
    monkeypatch.setattr(kernels, "quadratic", None)
    assert index.rkme(1).squared_norm == norm
