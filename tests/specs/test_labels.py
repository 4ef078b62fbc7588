"""Label statistics: held against the joint embedding of the rows, written, read, and used to tell concepts apart."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.metrics.pairwise import rbf_kernel

import specs
from specs import SpecError, Specification, kernels
from specs.index import SpaceIndex
from specs.labels import Labels, label_distance


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


def with_classes(size, names, seed):
    rng = np.random.default_rng(seed)
    table = rng.random((size, len(names)))
    labels = Labels("classes", table / table.sum(), 10 * size, tuple(names))
    return specs.Rkme(points=rng.normal(size=(size, 3)), weights=np.full(size, 1 / size), sigma=1.7, n=10 * size, labels=labels)


def over_all_classes(a, b):
    """The distance by its definition: a column for each class that either side has."""
    names = sorted(set(a.labels.classes) | set(b.labels.classes))
    U, V = (np.stack([r.labels.deviations[:, r.labels.classes.index(name)] if name in r.labels.classes else np.zeros(r.size) for name in names], axis=1) for r in (a, b))
    Z, S = np.concatenate([a.points, b.points]).astype(float), np.concatenate([U, -V])
    return np.sum(S * (rbf_kernel(Z, Z, 0.5 / 1.7**2) @ S))


@pytest.mark.parametrize("sides", [(range(4), range(4)), (range(4), range(3, -1, -1)), (range(300), (7, 999)), ((1, 2), range(2, 200)), ((1, 2), (3, 4)), ((5,), (5,))])
def test_classes_that_one_side_lacks_are_left_out_of_the_product_and_not_of_the_distance(sides, monkeypatch):
    a, b = (with_classes(size, [f"c{i}" for i in side], seed) for seed, (size, side) in enumerate(zip((70, 30), sides, strict=True)))
    a.label_squared_norm, b.label_squared_norm  # noqa: B018  each is its own side's, and kept
    multiplied, gaussian = [], kernels.gaussian

    class Kernel(np.ndarray):
        def __matmul__(self, other):
            multiplied.append(other.shape[1])
            return np.asarray(self) @ other

    monkeypatch.setattr(kernels, "gaussian", lambda X, Y, sigma: gaussian(X, Y, sigma).view(Kernel))
    found = label_distance(a, b)
    both = len(set(sides[0]) & set(sides[1]))
    assert multiplied == ([both] if both else [])
    assert found == pytest.approx(over_all_classes(a, b), abs=1e-14) == pytest.approx(label_distance(b, a), abs=1e-14)


def labelled_index(size=12):
    table = {f"c{i}": np.random.default_rng(i).normal(size=200) for i in range(3)}
    space = specs.Space.from_table(table, name="three")
    index = SpaceIndex(space)
    made = [replace(with_classes(20, ["yes", "no"], seed), sigma=space.sigma, space_id=space.id) for seed in range(size + 1)]
    index.add_all(list(range(size)), made[:size])
    return index, made


def test_of_what_the_index_holds_label_norms_are_summed_once(monkeypatch):
    index, made = labelled_index()
    first = index.search(made[-1], top=5)
    made[-1].label_squared_norm  # noqa: B018
    grams, gram = [], kernels.gram
    monkeypatch.setattr(kernels, "gram", lambda Z, sigma: grams.append(len(Z)) or gram(Z, sigma))
    assert index.search(made[-1], top=5) == first and grams == []
    index.add(3, made[0])  # another one under the key
    index.search(made[-1], top=5)
    assert len(grams) == 1


def test_label_distances_are_computed_beside_the_lock(monkeypatch):
    index, made = labelled_index()
    seen = []

    def distance(a, b):
        if not seen:
            other = threading.Thread(target=lambda: seen.append(index.search(replace(made[1], labels=None), top=1)))
            other.start()
            other.join(10)
            index.remove(5)  # nor does what goes meanwhile do harm
        return label_distance(a, b)

    monkeypatch.setattr("specs.index.label_distance", distance)
    found = index.search(made[-1], top=12)
    assert seen[0][0][0] == 1 and len(found) >= 11
    assert 5 not in [key for key, _ in index.search(made[-1], top=12)] and 5 not in index
