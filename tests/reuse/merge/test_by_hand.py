"""Each merge against a case done by hand, or against its definition written down plainly."""

import numpy as np
import pytest
from scipy import linalg

from reuse import ReuseError, registry
from reuse.merge import average, breadcrumbs, dare, fisher, greedy_soup, iso_c, regmean, slerp, task_arithmetic, ties, tsv, wise_ft
from reuse.weights import Stack, kernels, merged

D = np.array([[1.0, -2.0, 3.0, 0.0], [3.0, 2.0, -1.0, 4.0]], np.float32)


def whole(found):
    return found if isinstance(found, np.ndarray) else np.concatenate(list(found))


def of(module, D, **params):
    D = np.asarray(D, np.float32)
    return whole(module.merge(Stack.of(D), **params)).reshape(D.shape[1:])


@pytest.fixture
def matrices(random):
    """Changes of three models, (3, 12, 9)."""
    return random.normal(size=(3, 12, 9)).astype(np.float32)


# -- sums and means ---------------------------------------------------------------------------


def test_average_is_the_mean_of_the_weights():
    assert of(average, D).tolist() == [2.0, 0.0, 1.0, 2.0]


def test_task_arithmetic_adds_scaled_task_vectors():
    assert np.allclose(of(task_arithmetic, D, scale=0.5), [2.0, 0.0, 1.0, 2.0])


@pytest.mark.parametrize(("alpha", "expected"), [(0.0, [0, 0, 0, 0]), (0.5, [1, 0, 0.5, 1]), (1.0, [2, 0, 1, 2])])
def test_wise_ft_walks_from_the_base_to_the_tuned(alpha, expected):
    assert of(wise_ft, D, alpha=alpha).tolist() == expected


def test_wise_ft_at_nought_is_the_base_and_at_one_the_tuned(random):
    base, tuned = {"w": random.normal(size=(5, 4)).astype(np.float32)}, {"w": random.normal(size=(5, 4)).astype(np.float32)}
    assert np.array_equal(merged("merge/wise-ft", [tuned], base, {"alpha": 0.0})["w"], base["w"])
    assert np.allclose(merged("merge/wise-ft", [tuned], base, {"alpha": 1.0})["w"], tuned["w"], atol=1e-6)
    assert np.allclose(merged("merge/wise-ft", [tuned], base, {"alpha": 0.25})["w"], 0.75 * base["w"] + 0.25 * tuned["w"], atol=1e-6)


# -- breadcrumbs ------------------------------------------------------------------------------


def test_breadcrumbs_drop_the_outlier_and_the_noise():
    one = [[0.1, -0.2, 9.0, 0.3, -0.4, 0.5, 0.6, -0.7, 0.8, 1.0]]
    # The largest tenth (9.0) goes, then the largest five of the rest stay.
    assert np.allclose(of(breadcrumbs, one, keep=0.5, drop_top=0.1, scale=1.0), [0, 0, 0, 0, 0, 0.5, 0.6, -0.7, 0.8, 1.0])


def masked(row, keep, drop_top):
    """Breadcrumbs of one row of distinct sizes, by sorting."""
    order, top = np.argsort(-np.abs(row)), int(drop_top * len(row))
    out = np.zeros_like(row)
    kept = order[top : top + max(1, min(int(keep * len(row)), len(row) - top))]
    out[kept] = row[kept]
    return out


@pytest.mark.parametrize(("keep", "drop_top"), [(0.85, 0.01), (0.15, 0.006), (0.6, 0.0), (1.0, 0.2), (0.01, 0.9)])
@pytest.mark.parametrize("shape", [(30,), (20, 30), (2 * kernels.BLOCK + 5,)], ids=str)
def test_breadcrumbs_agree_with_sorting(random, keep, drop_top, shape):
    changes = random.normal(size=(2, *shape)).astype(np.float32)
    wanted = 0.3 * sum(masked(part.reshape(-1), keep, drop_top) for part in changes).reshape(shape)
    assert np.allclose(of(breadcrumbs, changes, keep=keep, drop_top=drop_top), wanted, atol=1e-6)


@pytest.mark.parametrize(("keep", "drop_top"), [(0.85, 0.01), (0.2, 0.1), (0.5, 0.0), (1.0, 0.5)])
@pytest.mark.parametrize("shape", [(30,), (20, 30), (4, 5, 30)], ids=str)
def test_per_row_each_row_has_marks_of_its_own(random, keep, drop_top, shape):
    changes = random.normal(size=(2, *shape)).astype(np.float32)
    wanted = 0.3 * sum(np.stack([masked(row, keep, drop_top) for row in part.reshape(-1, 30)]) for part in changes).reshape(shape)
    assert np.allclose(of(breadcrumbs, changes, keep=keep, drop_top=drop_top, per_row=True), wanted, atol=1e-6)


def test_breadcrumbs_threshold_a_whole_tensor_so_that_small_kernels_survive(random):
    assert (of(breadcrumbs, random.normal(size=(1, 8, 4, 3, 3))) != 0).mean() > 0.8


def test_per_row_keeps_one_number_of_the_smallest_kernels(random):
    found = of(breadcrumbs, random.normal(size=(1, 8, 4, 3, 3)), keep=0.2, per_row=True)
    assert ((found != 0).sum(axis=-1) == 1).all()


@pytest.mark.parametrize("per_row", [False, True])
def test_changes_of_one_size_are_not_all_outliers(per_row):
    """In half precision many changes are one step: those at the upper mark must not take all others with them."""
    same = np.where(np.arange(200) % 2, 1.0, -1.0)[None]
    assert of(breadcrumbs, same, keep=0.85, drop_top=0.01, scale=1.0, per_row=per_row).any()


@pytest.mark.parametrize(("keep", "drop_top"), [(0.0, 0.0), (1.5, 0.0), (0.5, 1.0), (0.5, -0.1)])
def test_shares_outside_their_range_are_refused(keep, drop_top):
    with pytest.raises(ReuseError, match="keep must lie"):
        of(breadcrumbs, D, keep=keep, drop_top=drop_top)


# -- TIES -------------------------------------------------------------------------------------


def test_ties_by_hand():
    changes = np.array([
        [[4.0, -3.0, 0.1, 0.2], [2.0, -0.1, 5.0, -0.3], [0.1, 0.2, 0.3, -6.0]],
        [[2.0, 4.0, 0.2, 0.1], [-3.0, -0.2, 5.0, 0.4], [0.1, -0.2, 0.3, 6.0]],
    ])
    # The five largest of each (5 of 12 = .42) stay:
    #   4 -3 . .    2 4 . .       signs of the sums:  + + . .     means of those that agree:  3 4 . .
    #   2 . 5 .    -3 . 5 .                            - . + .                                -3 . 5 .
    #   . . . -6    . . . 6                             . . . 0 (nothing is elected)            . . . .
    wanted = [[3, 4, 0, 0], [-3, 0, 5, 0], [0, 0, 0, 0]]
    assert np.allclose(of(ties, changes, density=0.42), wanted)
    assert np.allclose(of(ties, changes, density=0.42, scale=0.5, per_tensor=True), 0.5 * np.array(wanted))


def plain_ties(changes, low):
    """TIES of (m, n) with the marks (m,), place by place."""
    trimmed = np.where(np.abs(changes) >= low[:, None], changes, 0)
    elected = np.sign(trimmed.sum(axis=0))
    agrees = (np.sign(trimmed) == elected) & (elected != 0)
    return np.where(agrees, trimmed, 0).sum(axis=0) / np.maximum(agrees.sum(axis=0), 1)


@pytest.mark.parametrize("density", [0.05, 0.2, 0.7, 1.0])
def test_ties_compares_sizes_over_the_whole_model(random, density):
    base = {"a": random.normal(size=(6, 5)), "b": random.normal(size=40), "c": random.normal(size=(3, 2, 2))}
    changes = [{"a": random.normal(size=(6, 5)), "b": 5 * random.normal(size=40), "c": 0.1 * random.normal(size=(3, 2, 2))} for _ in range(3)]
    found = merged("merge/ties", [{name: base[name] + change[name] for name in base} for change in changes], base, {"density": density})
    flat = np.stack([np.concatenate([change[name].reshape(-1) for name in base]) for change in changes])
    low = np.sort(np.abs(flat), axis=1)[:, ::-1][:, max(1, round(density * flat.shape[1])) - 1]
    wanted = plain_ties(flat, low * (1 - 1e-4))  # base + change - base is the change to rounding
    assert np.allclose(np.concatenate([(found[name] - base[name]).reshape(-1) for name in base]), wanted, atol=1e-5)
    if density == 0.05:
        assert np.allclose(found["c"], base["c"], atol=1e-6)  # all of them small beside b's


def test_ties_per_tensor_keeps_the_share_of_each(random):
    base = {"a": np.zeros(50), "b": np.zeros(50)}
    model = {"a": random.normal(size=50), "b": 100 * random.normal(size=50)}
    kept = {name: (value != 0).sum() for name, value in merged("merge/ties", [model], base, {"per_tensor": True}).items()}
    assert kept == {"a": 10, "b": 10}
    kept = {name: (value != 0).sum() for name, value in merged("merge/ties", [model], base).items()}
    assert kept["a"] == 0 and kept["b"] == 20


def test_a_density_outside_its_range_is_refused():
    for density in (0.0, -1.0, 1.1):
        with pytest.raises(ReuseError, match="density must lie"):
            of(ties, D, density=density)


# -- DARE -------------------------------------------------------------------------------------


def test_dare_drops_its_share_and_keeps_the_expectation():
    ones = np.ones((1, 400_000))
    found = of(dare, ones, drop=0.9, scale=1.0)
    assert np.isclose((found == 0).mean(), 0.9, atol=4 * np.sqrt(0.09 / 400_000)) and np.allclose(found[found != 0], 10)
    assert np.isclose(found.mean(), 1, atol=4 * 3 / np.sqrt(400_000))


def test_dare_that_drops_nothing_is_task_arithmetic(matrices):
    assert np.allclose(of(dare, matrices, drop=0.0), of(task_arithmetic, matrices), atol=1e-6)


def test_dare_in_the_mean_over_seeds_is_task_arithmetic(matrices):
    found = np.mean([of(dare, matrices, seed=seed) for seed in range(600)], axis=0)
    spread = 0.3 * np.sqrt((matrices**2).sum(axis=0) / 600)  # a survivor of one half is twice itself: its variance is its square
    assert (np.abs(found - of(task_arithmetic, matrices)) < 5 * spread).all()


def test_the_mask_of_dare_hangs_on_seed_and_tensor():
    ones = np.ones((1, 200), np.float32)

    def mask(name, seed):
        return whole(dare.merge(Stack.of(ones, name), seed=seed))

    assert np.array_equal(mask("a", 0), mask("a", 0)) and not np.array_equal(mask("a", 0), mask("b", 0)) and not np.array_equal(mask("a", 0), mask("a", 1))


def test_the_mask_of_dare_is_the_same_in_whatever_blocks(monkeypatch, random):
    changes = random.normal(size=(2, 1000))
    wanted = of(dare, changes)
    monkeypatch.setattr(kernels, "BLOCK", 13)
    assert np.array_equal(of(dare, changes), wanted)


def test_dare_with_ties_elects_among_what_is_left(random):
    changes = random.normal(size=(3, 300)).astype(np.float32)
    assert np.allclose(of(dare, changes, drop=0.0, scale=1.0, ties=True), of(ties, changes), atol=1e-6)
    found = of(dare, changes, drop=0.5, scale=1.0, ties=True, density=1.0)
    survivors = whole(dare.merge(Stack.of(changes[:1]), drop=0.5, scale=1.0))
    assert set(np.round(survivors / changes[0], 4)) == {0, 2} and np.isfinite(found).all()


@pytest.mark.parametrize("params", [{"drop": 1.0}, {"drop": -0.1}, {"density": 0.0, "ties": True}])
def test_a_drop_or_density_outside_its_range_is_refused(params):
    with pytest.raises(ReuseError, match="drop must lie"):
        of(dare, D, **params)


# -- SLERP ------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [0.0, 0.25, 0.5, 1.0])
def test_slerp_is_the_formula(matrices, t):
    a, b = matrices[0].astype(np.float64), matrices[1].astype(np.float64)
    angle = np.arccos((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))
    assert np.allclose(of(slerp, matrices[:2], t=t), np.sin((1 - t) * angle) / np.sin(angle) * a + np.sin(t * angle) / np.sin(angle) * b, atol=1e-6)


def test_between_models_of_one_size_slerp_keeps_the_size_and_parts_the_angle(matrices):
    a, b = (m / np.linalg.norm(m) for m in matrices[:2])
    found = of(slerp, np.stack([a, b]), t=0.3).astype(np.float64)
    assert np.isclose(np.linalg.norm(found), 1, atol=1e-5)
    assert np.isclose(np.arccos((found * a).sum()), 0.3 * np.arccos(float((a * b).sum())), atol=1e-3)


def test_where_models_are_nearly_parallel_slerp_is_a_straight_line(matrices):
    a = matrices[0]
    b = a + 1e-4 * matrices[1]
    assert np.allclose(of(slerp, np.stack([a, b]), t=0.3), 0.7 * a + 0.3 * b, atol=1e-6)
    assert np.isfinite(of(slerp, np.stack([a, -a]))).all() and np.allclose(of(slerp, np.stack([a, 0 * a]), t=0.5), a / 2, atol=1e-6)


@pytest.mark.parametrize("models", [1, 3])
def test_slerp_is_of_two_models(matrices, models):
    with pytest.raises(ReuseError) as refused:
        of(slerp, matrices[:models])
    assert refused.value.code == "two-models" and refused.value.hint


# -- singular values --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(12, 9), (9, 12), (9, 9), (2, 7)], ids=str)
def test_tsv_is_its_definition(random, shape):
    changes = random.normal(size=(3, *shape))
    r = max(1, min(shape) // 3)
    parts = [np.linalg.svd(tau, full_matrices=False) for tau in changes]
    U, s, Vt = (np.concatenate([part[:, :r] for part, _, _ in parts], axis=1), np.concatenate([part[:r] for _, part, _ in parts]),
                np.concatenate([part[:r] for _, _, part in parts], axis=0))
    wanted = linalg.polar(U)[0] @ np.diag(s) @ linalg.polar(Vt)[0]
    assert np.allclose(of(tsv, changes), wanted, atol=1e-4)


def test_the_directions_of_tsv_are_orthogonal(matrices):
    """Then the singular values of the merged change are those that were kept."""
    kept = np.concatenate([np.linalg.svd(tau, compute_uv=False)[:3] for tau in matrices])
    assert np.allclose(np.linalg.svd(of(tsv, matrices), compute_uv=False), np.sort(kept)[::-1], atol=1e-4)


def test_changes_that_do_not_meet_pass_tsv_whole():
    """Of rank one each, in orthogonal directions: their sum is what must come out."""
    changes = np.zeros((2, 6, 4))
    changes[0, 0, 0], changes[1, 3, 2] = 3.0, -2.0
    assert np.allclose(of(tsv, changes), changes.sum(axis=0), atol=1e-5)


def test_a_model_that_left_a_matrix_alone_does_not_disturb_the_others_in_tsv(matrices):
    """As whoever tuned the head alone left every other layer."""
    U, s, Vt = np.linalg.svd(matrices[0], full_matrices=False)
    wanted = (U[:, :4] * s[:4]) @ Vt[:4]
    assert np.allclose(of(tsv, np.stack([matrices[0], 0 * matrices[0]])), wanted, atol=1e-4)


def test_a_model_named_twice_brings_no_noise_into_tsv(matrices):
    """Two equal directions can not be made orthogonal, and what is put in their place must not be made up."""
    U, s, Vt = np.linalg.svd(matrices[0], full_matrices=False)
    found = of(tsv, np.stack([matrices[0], matrices[0]]))
    outside = found - U[:, :4] @ U[:, :4].T @ found
    assert np.abs(outside).max() < 1e-3


def test_one_model_alone_passes_tsv_whole(matrices):
    assert np.allclose(of(tsv, matrices[:1]), matrices[0], atol=1e-4)


def test_all_singular_values_of_iso_c_are_the_mean(matrices):
    s = np.linalg.svd(matrices.sum(axis=0), compute_uv=False)
    found = of(iso_c, matrices, scale=1.5)
    assert np.allclose(np.linalg.svd(found, compute_uv=False), 1.5 * s.mean(), atol=1e-4)
    assert np.allclose(found, 1.5 * s.mean() * linalg.polar(matrices.sum(axis=0).astype(np.float64))[0], atol=1e-4)


@pytest.mark.parametrize("module", [tsv, iso_c])
@pytest.mark.parametrize("shape", [(2, 9), (2, 1, 9), (2, 4, 3, 3)], ids=str)
def test_what_is_no_matrix_gets_the_mean_change(random, module, shape):
    changes = random.normal(size=shape)
    assert np.allclose(of(module, changes, scale=0.5), 0.5 * changes.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("module", [tsv, iso_c])
def test_what_is_too_large_to_decompose_gets_the_mean_change(random, module, monkeypatch):
    from reuse.weights import matrices

    monkeypatch.setattr(matrices, "LONGEST", 3)
    changes = random.normal(size=(2, 4, 5))
    assert np.allclose(of(module, changes), changes.mean(axis=0), atol=1e-6)


# -- RegMean and Fisher -----------------------------------------------------------------------


def grams(random, m, d, rows=200):
    X = random.normal(size=(m, rows, d)) * random.uniform(0.2, 2, size=(m, 1, d))
    return [x.T @ x / rows for x in X]


def regression(W, G, shrink=0.9):
    return merged("merge/regmean", [{"w": w} for w in W], params={"shrink": shrink}, statistics=[{"gram/w": g} for g in G])["w"]


def test_regmean_is_its_definition(random):
    W, G = random.normal(size=(3, 4, 6)), grams(random, 3, 6)
    shrunk = [0.7 * g + 0.3 * np.diag(np.diag(g)) for g in G]
    wanted = sum(w @ g for w, g in zip(W, shrunk, strict=True)) @ np.linalg.inv(sum(shrunk))
    assert np.allclose(regression(W, G, 0.7), wanted, atol=1e-5)


def test_regmean_answers_most_like_every_member_on_its_own_inputs(random):
    """The gradient of sum_t ||(W - W_t) X_t||^2 is nought there, and every step away is worse."""
    W, G = random.normal(size=(3, 4, 6)), grams(random, 3, 6)
    found = regression(W, G, 1.0).astype(np.float64)
    assert np.allclose(sum((found - w) @ g for w, g in zip(W, G, strict=True)), 0, atol=1e-4)

    def loss(V):
        return sum(np.trace((V - w) @ g @ (V - w).T) for w, g in zip(W, G, strict=True))

    assert all(loss(found) < loss(found + 0.05 * random.normal(size=found.shape)) for _ in range(20))


def test_with_equal_inputs_regmean_is_the_mean(random):
    W, G = random.normal(size=(3, 4, 6)), grams(random, 1, 6) * 3
    assert np.allclose(regression(W, G), W.mean(axis=0), atol=1e-5)


def test_with_one_model_regmean_is_that_model(random):
    W = random.normal(size=(1, 4, 6))
    assert np.allclose(regression(W, grams(random, 1, 6)), W[0], atol=1e-5)


def test_a_unit_that_never_fires_gets_the_mean(random):
    W, G = random.normal(size=(2, 4, 6)), grams(random, 2, 6)
    for g in G:
        g[2] = g[:, 2] = 0
    found = regression(W, G)
    assert np.allclose(found[:, 2], W[:, :, 2].mean(axis=0), atol=1e-5) and np.isfinite(found).all()
    assert np.allclose(regression(W, [np.zeros((6, 6))] * 2), W.mean(axis=0), atol=1e-5)


def test_a_unit_that_one_model_alone_knows_is_that_models(random):
    W, G = random.normal(size=(2, 4, 6)), grams(random, 2, 6)
    G[1][2] = G[1][:, 2] = 0
    G[0][2] = G[0][:, 2] = 0
    G[0][2, 2] = 1.0
    assert np.allclose(regression(W, G)[:, 2], W[0, :, 2], atol=1e-4)


def test_where_one_lacks_the_statistic_regmean_and_fisher_are_the_mean(random):
    W = random.normal(size=(2, 4, 6))
    for address, kind, value in (("merge/regmean", "gram", np.eye(6)), ("merge/fisher", "fisher", np.ones((4, 6)))):
        found = merged(address, [{"w": w, "b": w[0]} for w in W], statistics=[{f"{kind}/w": value}, {}])
        assert np.allclose(found["w"], W.mean(axis=0), atol=1e-6) and np.allclose(found["b"], W[:, 0].mean(axis=0), atol=1e-6)


def test_fisher_is_the_weighted_mean_number_by_number(random, monkeypatch):
    W, F = random.normal(size=(3, 4, 6)), random.uniform(0.1, 1, size=(3, 4, 6))
    found = merged("merge/fisher", [{"w": w} for w in W], statistics=[{"fisher/w": f} for f in F])["w"]
    assert np.allclose(found, (F * W).sum(axis=0) / F.sum(axis=0), atol=1e-4)
    monkeypatch.setattr(kernels, "BLOCK", 5)
    assert np.allclose(merged("merge/fisher", [{"w": w} for w in W], statistics=[{"fisher/w": f} for f in F])["w"], found, atol=1e-6)


def test_where_no_answer_moves_fisher_is_the_mean(random):
    W = random.normal(size=(2, 4))
    assert np.allclose(merged("merge/fisher", [{"w": w} for w in W], statistics=[{"fisher/w": np.zeros(4)}] * 2)["w"], W.mean(axis=0), atol=1e-6)


def test_shrinkage_outside_its_range_is_refused():
    with pytest.raises(ReuseError, match="shrink must lie"):
        of(regmean, D, shrink=1.1)


def test_without_statistics_fisher_is_the_mean(matrices):
    assert np.allclose(of(fisher, matrices), matrices.mean(axis=0), atol=1e-6)


# -- greedy soup ------------------------------------------------------------------------------


def soup(scores):
    """greedy_soup's choice where the loss of a set of models is looked up; and what it asked."""
    asked = []

    def score(members):
        asked.append(members)
        return scores[frozenset(members)]

    return greedy_soup.choose(max(len(key) for key in scores), score), asked


def test_greedy_soup_takes_the_best_and_adds_what_helps():
    #    alone: c is best, then a, then b; a helps c; b spoils both
    scores = {frozenset("abc".index(x) for x in key): value for key, value in {"c": 0.1, "a": 0.2, "b": 0.3, "ca": 0.08, "cab": 0.09, "cb": 0.01, "ab": 0.0}.items()}
    assert soup(scores)[0] == (2, 0)


def test_greedy_soup_adds_only_what_is_strictly_better():
    scores = {frozenset(key): 0.5 for key in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))}
    assert soup(scores)[0] == (0,)


def test_greedy_soup_judges_each_candidate_with_all_that_went_in_before():
    scores = {frozenset(key): value for key, value in (((0,), 0.3), ((1,), 0.2), ((2,), 0.25), ((1, 2), 0.15), ((0, 1, 2), 0.1), ((0, 1), 0.9), ((0, 2), 0.9))}
    found, asked = soup(scores)
    assert found == (1, 2, 0) and asked[-2:] == [(1, 2, 0), (1, 2)]


def test_greedy_soup_of_one_is_the_one():
    assert soup({frozenset((0,)): 1.0})[0] == (0,)


def test_every_merge_has_a_case_of_its_own():
    names = {"average", "breadcrumbs", "dare", "fisher", "greedy-soup", "iso-c", "regmean", "slerp", "task-arithmetic", "ties", "tsv", "wise-ft"}
    assert {m.name for m in registry.every() if m.kind == "merge"} == names
