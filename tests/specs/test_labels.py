"""Label statistics: held against the joint embedding of the rows, written, read, and used to tell concepts apart."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.metrics.pairwise import rbf_kernel

import specs
from specs import SpecError, Specification
from specs.index import SpaceIndex
from specs.labels import label_distance


@pytest.fixture(scope="module")
def digits():
    data, y = load_digits(return_X_y=True)
    table = {f"p{i}": data[:, i] for i in range(64)}
    space = specs.Space.from_table(table, name="digits")
    return space, space.encode(table), y


def labelled(space, X, y, seed=0, **options):
    return specs.attach(replace(specs.reduce(X, sigma=space.sigma, points=60, seed=seed), space_id=space.id), X, y, **options)


def test_classes_stand_for_the_joint_embedding_of_the_rows(digits):
    space, X, y = digits
    spec = labelled(space, X, y)
    gamma = 0.5 / space.sigma**2
    Z = spec.points.astype(float)
    for c, name in enumerate(spec.labels.classes):
        rows, w = X[y == int(name)], spec.labels.table[:, c]
        share = len(rows) / len(X)
        far = w @ rbf_kernel(Z, Z, gamma) @ w - 2 * share * w @ rbf_kernel(Z, rows, gamma).mean(axis=1) + share**2 * rbf_kernel(rows, rows, gamma).mean()
        assert far < 0.03 * share**2 * rbf_kernel(rows, rows, gamma).mean()
    assert spec.labels.table.sum() == pytest.approx(1, abs=0.05) and spec.labels.n == len(X)


def test_values_stand_for_the_mean_of_the_target():
    data = load_diabetes()
    table = {name: data.data[:, i] for i, name in enumerate(data.feature_names)} | {"y": data.target}
    space = specs.Space.from_table(table, name="diabetes", target="y")
    spec = specs.describe(table, space, points=40, target="y")
    labels = spec.labels
    assert labels.kind == "values" and labels.location == pytest.approx(data.target.mean()) and labels.scale == pytest.approx(data.target.std())
    # A smoother over the points by their means goes with the target about as a ridge on the columns does.
    K = rbf_kernel(space.encode(table), spec.points.astype(float), 0.5 / space.sigma**2)
    said = (K * labels.table[:, 0]) @ labels.table[:, 1] / (K @ labels.table[:, 0])
    assert np.corrcoef(said, data.target)[0, 1] > 0.6
    assert labels.table[:, 1].min() >= (data.target.min() - labels.location) / labels.scale - 1e-6 and (labels.table[:, 2] >= 0).all()


def test_equal_inputs_and_other_concepts_stand_apart_and_names_not_orders_count(digits):
    space, X, y = digits
    half, rest = X[:900], X[900:]
    even, odd = np.where(y % 2 == 0, "yes", "no"), np.where(y % 2 == 1, "yes", "no")
    one, same, other = labelled(space, half, even[:900]), labelled(space, rest, even[900:], seed=1), labelled(space, rest, odd[900:], seed=1)
    assert label_distance(one, same) < label_distance(one, other) / 10
    assert label_distance(one, one) == pytest.approx(0, abs=1e-12)
    assert label_distance(one, same) == pytest.approx(label_distance(same, one))


def test_units_of_values_do_not_matter():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 2))
    y = X[:, 0] * 3 + 1
    spec = specs.reduce(X, sigma=1.5, points=40)
    assert label_distance(specs.attach(spec, X, y), specs.attach(spec, X, 1000 * y + 7)) > 1
    assert label_distance(specs.attach(spec, X, y), specs.attach(spec, X, y + 5)) == pytest.approx(0, abs=1e-6)  # an offset is not a concept
    assert label_distance(specs.attach(spec, X, y), specs.attach(spec, X, -y)) > 0.3


def test_a_few_labelled_rows_find_the_model_of_their_concept(digits):
    space, X, y = digits
    rng, index = np.random.default_rng(0), SpaceIndex(space)
    concepts = [set(rng.choice(10, 5, replace=False).tolist()) for _ in range(25)] + [{0, 1, 2, 3, 4}]
    for i, concept in enumerate(concepts):
        rows = rng.choice(900, 300, replace=False)
        index.add(i, labelled(space, X[rows], np.isin(y[rows], list(concept)), seed=i))
    names = np.array([None] * 897, dtype=object)
    names[:40] = np.isin(y[900:940], [0, 1, 2, 3, 4])
    asked = labelled(space, X[900:], names)
    assert asked.labels.n == 40
    ranks = [key for key, _ in index.search(asked, top=26)]
    assert ranks.index(25) < 3
    assert [key for key, _ in index.search(asked, top=26, use_labels=False)] != ranks


def test_models_without_labels_stand_behind_those_with_them(digits):
    space, X, y = digits
    index = SpaceIndex(space)
    index.add(0, replace(specs.reduce(X[:500], sigma=space.sigma, points=30), space_id=space.id))
    index.add(1, labelled(space, X[500:600], y[500:600]))
    assert [key for key, _ in index.search(labelled(space, X[:500], y[:500]))] == [1, 0]


def test_labels_are_written_read_and_byte_identical(digits):
    space, X, y = digits
    for spec in (labelled(space, X, y), labelled(space, X, y.astype(float) * 1.5, kind="values")):
        data = Specification(space, spec).to_bytes()
        back = Specification.from_bytes(data)
        assert back.to_bytes() == data and label_distance(back.rkme, spec) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("change", [
    {"kind": "colours"}, {"n": 0}, {"classes": ["a"]}, {"classes": ["0"] * 10}, {"table": {"dtype": "float32", "shape": [1, 10], "data": ""}}, {"extra": 1},
])
def test_labels_that_claim_what_they_are_not_are_refused(digits, change):
    space, X, y = digits
    document = json.loads(Specification(space, labelled(space, X[:300], y[:300])).to_bytes())
    document["labels"] |= change
    with pytest.raises(SpecError):
        Specification.from_bytes(json.dumps(document).encode())


@pytest.mark.parametrize(("y", "kind", "code"), [
    ([None] * 5, None, "no-labels"), ([1, 2], None, "wrong-shape"), (["a"] * 5, "values", "not-numbers"), ([1.0, np.inf, 1, 1, 1], "values", "not-finite"), ([1] * 5, "colours", "wrong-kind"),
])
def test_labels_that_can_not_be_are_refused(y, kind, code):
    spec = specs.reduce(np.random.default_rng(0).normal(size=(50, 2)), sigma=1.0, points=5)
    with pytest.raises(SpecError) as refused:
        specs.attach(spec, np.zeros((5, 2)), y, kind=kind)
    assert refused.value.code == code


def test_one_class_only_is_a_concept_too():
    spec = specs.reduce(np.random.default_rng(0).normal(size=(50, 2)), sigma=1.0, points=5)
    one = specs.attach(spec, spec.points, ["a"] * 5)
    assert one.labels.classes == ("a",) and label_distance(one, one) == 0
