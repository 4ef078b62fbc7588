"""Single ensembles against cases done by hand, or against scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from reuse.crowd import Crowd
from reuse.crowd import distances as distances_to
from reuse.ensemble import adjusted, augmented, best_single, hedged, mean, mixture_weighted, near, pruned, routed, selected, selector, stacked, vote
from specs import Rkme, coverage, squared_mmd


def at(place: float, d: int = 2) -> Rkme:
    return Rkme(points=place + np.random.default_rng(0).normal(scale=0.3, size=(20, d)), weights=np.full(20, 1 / 20), sigma=1.0, n=100)


def gathered(outputs, X=None, weights=None, distances=None, classes=(), places=None):
    """A crowd whose members' data all lie at 0, if nothing else is said."""
    n, m = len(outputs[0]), len(outputs)
    X = np.random.default_rng(5).normal(size=(n, 2)) if X is None else X
    return Crowd(list(outputs), X, [at(place) for place in places or [0] * m], np.full(m, 1 / m) if weights is None else np.array(weights),
                 np.zeros(m) if distances is None else np.array(distances), classes)


@pytest.fixture
def crowd():
    """Two members of values: one lives at 0, one at 6; each row stands at one of the two."""
    X = np.array([[0.0, 0.0], [6.0, 6.0], [0.2, -0.1], [5.9, 6.1]])
    return gathered([np.full(4, 1.0), np.full(4, 2.0)], X, [0.75, 0.25], [0.3, 0.1], places=[0, 6])


def test_the_mean_forgets_weights_and_the_mixture_does_not(crowd):
    assert np.allclose(crowd.answer(mean.weigh(crowd), mean.UNSEEN), 1.5)
    assert np.allclose(crowd.answer(mixture_weighted.weigh(crowd), mixture_weighted.UNSEEN), 1.25)


def test_best_single_is_the_nearest_one(crowd):
    assert np.allclose(crowd.answer(best_single.weigh(crowd), best_single.UNSEEN), 2.0)


# -- routing ----------------------------------------------------------------------------------


def test_each_row_is_routed_to_the_member_that_lives_there(crowd):
    assert np.allclose(crowd.answer(routed.weigh(crowd), routed.UNSEEN), [1, 2, 1, 2], atol=1e-3)


def test_a_row_far_from_everybody_still_goes_to_the_nearest(crowd):
    far = Crowd([np.full(1, 1.0), np.full(1, 2.0)], np.array([[400.0, 400.0]]), crowd.rkmes, crowd.weights, crowd.distances, ())
    weights = routed.weigh(far)
    assert np.isfinite(weights).all() and np.allclose(weights.sum(axis=1), 1) and weights[0, 1] > 0.9


def test_routing_gives_nothing_to_a_member_outside_the_mixture(crowd):
    only = Crowd(crowd.outputs, crowd.X, crowd.rkmes, np.array([1.0, 0.0]), crowd.distances, ())
    assert np.allclose(routed.weigh(only), [[1, 0]] * 4) and np.allclose(selector.weigh(only), [[1, 0]] * 4)


def test_the_selector_sends_rows_to_the_member_whose_data_they_look_like(crowd):
    weights = selector.weigh(crowd, trees=50)
    assert np.allclose(weights.sum(axis=1), 1) and (weights[[0, 2], 0] > 0.95).all() and (weights[[1, 3], 1] > 0.95).all()


def test_the_selector_sees_a_border_along_one_column_among_many(random):
    """Eight columns are noise; a kernel sees all alike."""
    def living(sign):
        points = random.normal(size=(60, 9))
        points[:, 0] = sign * np.abs(points[:, 0])
        return Rkme(points=points, weights=np.full(60, 1 / 60), sigma=4.0, n=600)

    X = random.normal(size=(200, 9))
    found = selector.weigh(Crowd([np.zeros(200), np.ones(200)], X, [living(-1), living(1)], np.array([0.5, 0.5]), np.zeros(2), ()))
    clear = np.abs(X[:, 0]) > 0.5
    assert ((found[:, 1] > 0.5) == (X[:, 0] > 0))[clear].mean() > 0.95


def test_the_selector_leans_to_whoever_has_the_larger_share():
    points = np.random.default_rng(1).normal(size=(40, 2))
    alike = Rkme(points=points, weights=np.full(40, 1 / 40), sigma=1.0, n=100)
    crowd = Crowd([np.zeros(50), np.ones(50)], np.random.default_rng(2).normal(size=(50, 2)), [alike, alike], np.array([0.8, 0.2]), np.zeros(2), ())
    assert np.allclose(selector.weigh(crowd, trees=50).mean(axis=0), [0.8, 0.2], atol=0.1)


def test_the_selector_asks_its_forest_once_for_all_parts_of_a_crowd(crowd):
    whole = selector.weigh(crowd, trees=20)
    assert np.array_equal(selector.weigh(crowd.rows(np.array([3, 0])), trees=20), whole[[3, 0]])


# -- nearness ---------------------------------------------------------------------------------


def test_near_weighs_by_inverse_distance(crowd):
    # Squared distances .3 and .1, and a hundredth of noise each: 100 rows stand behind both.
    wanted = np.array([0.31, 0.11]) ** -1.5
    assert np.allclose(near.weigh(crowd), wanted / wanted.sum()) and np.allclose(near.weigh(crowd, power=0.0), 0.5)


def test_near_hears_those_outside_the_mixture_too(crowd):
    outside = Crowd(crowd.outputs, crowd.X, crowd.rkmes, np.array([1.0, 0.0]), crowd.distances, ())
    assert np.array_equal(near.weigh(outside), near.weigh(crowd))


def test_near_is_finite_where_a_distance_is_nought_or_rounded_below():
    weights = near.weigh(gathered([np.zeros(2)] * 3, distances=[0.0, -1e-12, 1.5]))
    assert np.allclose(weights[:2], 0.5, atol=1e-3) and weights[2] < 1e-3


def wanting(crowd, requirement):
    return Crowd(crowd.outputs, crowd.X, crowd.rkmes, np.array([0.5, 0.5]), distances_to(requirement, crowd.rkmes), (), requirement)


def test_hedging_trusts_the_routing_where_the_mixture_is_the_requirement(crowd):
    both = Rkme(points=np.concatenate([rkme.points for rkme in crowd.rkmes]), weights=np.full(40, 1 / 40), sigma=1.0, n=200)
    mine = wanting(crowd, both)
    state = hedged.fit(mine, None)
    assert state["trust"] > 0.9 and np.allclose(hedged.apply(mine, state), [1, 2, 1, 2], atol=0.1)


def test_hedging_falls_back_on_nearness_where_nobody_knows_the_requirement(crowd):
    mine = wanting(crowd, at(3))
    state = hedged.fit(mine, None)
    assert state["trust"] < 0.05 and np.allclose(hedged.apply(mine, state), mine.answer(near.weigh(mine), near.UNSEEN), atol=0.05)


def test_hedging_trusts_as_far_as_the_mixture_explains(crowd):
    """At 0 alone: half of the mixture explains it. Its D is a quarter of S, and what is covered comes from the library's own function."""
    mine = wanting(crowd, at(0))
    apart = squared_mmd(*crowd.rkmes)
    assert np.isclose(squared_mmd(mine.requirement, mixed(crowd.rkmes)), apart / 4)
    assert np.isclose(hedged.fit(mine, None)["trust"], coverage(mine.requirement, crowd.rkmes, np.array([0.5, 0.5])) / 2)


def mixed(rkmes):
    """Half of each of two."""
    return Rkme(points=np.concatenate([rkme.points for rkme in rkmes]), weights=np.concatenate([rkme.weights / 2 for rkme in rkmes]), sigma=1.0, n=200)


def test_hedging_is_between_the_two_as_far_as_it_trusts(crowd):
    mine = wanting(crowd, at(0))
    wanted = 0.25 * routed.weigh(mine) + 0.75 * near.weigh(mine)
    assert np.allclose(hedged.apply(mine, {"trust": 0.25}), (wanted * [1, 2]).sum(axis=1))
    assert hedged.fit(crowd, None) == {"trust": 1.0}  # nothing is required, so nothing says that routing is wrong


# -- voting -----------------------------------------------------------------------------------


def test_most_votes_win():
    outputs = [np.array([[0.51, 0.49, 0.0]]), np.array([[0.51, 0.49, 0.0]]), np.array([[0.0, 0.01, 0.99]])]
    found = vote.answer(gathered(outputs, classes=("a", "b", "c")))
    assert found.argmax() == 0 and np.allclose(found, [[2 / 3, 0, 1 / 3]], atol=2e-3)


def test_votes_that_tie_are_decided_by_the_mean():
    outputs = [np.array([[0.6, 0.4], [0.9, 0.1]]), np.array([[0.1, 0.9], [0.4, 0.6]])]
    assert vote.answer(gathered(outputs, classes=("a", "b"))).argmax(axis=1).tolist() == [1, 0]


def test_a_member_does_not_vote_for_a_class_it_never_saw():
    outputs = [np.array([[0.4, 0.6, np.nan]]), np.array([[0.3, np.nan, 0.7]]), np.array([[np.nan, 0.8, 0.2]])]
    assert vote.answer(gathered(outputs, classes=("a", "b", "c"))).argmax() == 1


def test_of_values_the_median_is_taken_and_who_is_outside_is_not_asked():
    outputs = [np.array([1.0, 5.0]), np.array([2.0, 4.0]), np.array([900.0, 4.5]), np.array([-1e6, -1e6])]
    assert vote.answer(gathered(outputs, weights=[0.1, 0.1, 0.8, 0.0])).tolist() == [2.0, 4.5]
    assert vote.answer(gathered(outputs[:2])).tolist() == [1.5, 4.5]


# -- selection --------------------------------------------------------------------------------


def test_selection_goes_by_the_labels_and_not_by_the_distance(crowd):
    assert selected.fit(crowd, np.full(4, 1.1)) == {"members": [0]}
    assert selected.fit(crowd, np.full(4, 2.1)) == {"members": [1]}


def test_members_that_do_as_well_are_told_apart_by_distance():
    same = gathered([np.ones(4)] * 3, distances=[0.3, 0.1, 0.2])
    assert selected.fit(same, np.ones(4)) == {"members": [1]} and pruned.fit(same, np.ones(4)) == {"members": [1], "weights": [1.0]}


def test_pruning_leaves_out_a_useless_member_and_weighs_the_others(random):
    y = random.normal(size=400)
    error = random.normal(size=(2, 400))
    crowd = gathered([y + 0.5 * error[0], y + 0.5 * error[1], random.normal(size=400)])
    state = pruned.fit(crowd, y)
    assert state["members"] == [0, 1] and np.isclose(sum(state["weights"]), 1)
    # Errors of one size, independent: the best weights are halves.
    assert np.allclose(state["weights"], 0.5, atol=0.1)
    assert np.allclose(pruned.apply(crowd, state), state["weights"][0] * crowd.outputs[0] + state["weights"][1] * crowd.outputs[1])


def test_pruning_step_by_step_by_hand():
    """y = 0. Alone: 1, 4, 9 squared. With 1 in: the mean with -2 is -.5 (.25); then [1, 1, -2] is 0, and nothing is better."""
    crowd = gathered([np.array([1.0]), np.array([-2.0]), np.array([3.0])])
    assert pruned.fit(crowd, np.zeros(1)) == {"members": [0, 1], "weights": [2 / 3, 1 / 3]}
    assert pruned.fit(crowd, np.zeros(1), steps=1) == {"members": [0], "weights": [1.0]}
    assert pruned.fit(crowd, np.zeros(1), steps=2) == {"members": [0, 1], "weights": [0.5, 0.5]}


# -- adjusting --------------------------------------------------------------------------------


def test_ten_rows_teach_a_shift(random):
    truth = random.normal(size=10)
    crowd = gathered([truth - 5.0, truth - 5.0])
    state = adjusted.fit(crowd, truth, strength=2.0)
    # Ridge of a constant: 10 rows of residual 5, pulled by two rows towards 0.
    assert np.isclose(state["shift"], 5 * 10 / 12)
    found = adjusted.apply(crowd, state)
    assert np.abs(found - truth).max() < 1.5


def test_rows_that_are_right_already_teach_nothing(random):
    truth = random.normal(size=10)
    crowd = gathered([truth, truth])
    state = adjusted.fit(crowd, truth)
    assert abs(state["shift"]) < 1e-12 and np.isclose(state["stretch"], 1) and np.allclose(adjusted.apply(crowd, state), truth)


def test_many_rows_teach_a_stretch(random):
    start = random.normal(size=2000)
    crowd = gathered([start, start])
    state = adjusted.fit(crowd, 3 * start + 7)
    assert np.isclose(state["stretch"], 3, atol=0.01) and np.allclose(adjusted.apply(crowd, state), 3 * start + 7, atol=0.1)


def test_an_answer_that_never_changes_is_shifted_alone():
    crowd = gathered([np.full(10, 2.0)] * 2)
    state = adjusted.fit(crowd, np.full(10, 4.0))
    assert np.isclose(state["stretch"], 1) and np.allclose(adjusted.apply(crowd, state), 2 + 2 * 10 / 12)


def test_offsets_of_classes_are_the_likeliest_under_their_pull(random):
    """The gradient of the penalised log likelihood is nought."""
    P = random.dirichlet(np.ones(3) * 3, size=60)
    y = np.array([random.choice(3, p=q) for q in P**2 * [1, 1, 4] / (P**2 * [1, 1, 4]).sum(axis=1, keepdims=True)])
    crowd = gathered([P, P], classes=("a", "b", "c"))
    state = adjusted.fit(crowd, y, strength=2.0)
    logs, Y = np.log(P), np.eye(3)[y]
    Z = state["scale"] * logs + state["offsets"]
    R = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True) - Y
    assert np.allclose(R.sum(axis=0) + 2.0 * np.array(state["offsets"]), 0, atol=1e-2)
    assert np.isclose(state["scale"] * (R * logs).sum() + 8 * np.log(state["scale"]), 0, atol=1e-2)
    assert state["scale"] > 1 and np.argmax(state["offsets"]) == 2
    assert np.allclose(adjusted.apply(crowd, state).sum(axis=1), 1)


def test_a_member_that_is_clearly_better_is_adjusted_alone(random):
    truth = random.normal(size=50)
    crowd = gathered([truth + 3, random.normal(size=50), random.normal(size=50)])
    state = adjusted.fit(crowd, truth)
    assert state["members"] == [0] and state["base"] == "first"
    assert np.abs(adjusted.apply(crowd, state) - truth).mean() < 0.2
    # A predictor keeps the members that are needed, and no others.
    assert np.allclose(adjusted.apply(gathered(crowd.outputs[:1], crowd.X), state | {"members": [0]}), adjusted.apply(crowd, state))


# -- stacking ---------------------------------------------------------------------------------


def test_stacking_mends_what_all_members_get_wrong(random):
    X = random.normal(size=(200, 2))
    y = 3 * X[:, 0] + 5
    crowd = gathered([X[:, 0], X[:, 1]], X)
    found = stacked.apply(crowd, stacked.fit(crowd, y))
    assert np.sqrt(((found - y) ** 2).mean()) < 0.1 * y.std()


def test_augmenting_learns_what_no_member_knows(random):
    X = random.normal(size=(300, 2))
    y = X[:, 0] + 2 * X[:, 1]
    crowd = gathered([X[:, 0], X[:, 0] + 0.1], X)
    errors = {module: np.sqrt(((module.apply(crowd, module.fit(crowd, y)) - y) ** 2).mean()) for module in (stacked, augmented)}
    assert errors[augmented] < 0.1 * y.std() < errors[stacked]


def standard(F):
    return (F - F.mean(axis=0)) / F.std(axis=0)


@pytest.mark.parametrize(("module", "own"), [(stacked, False), (augmented, True)])
def test_of_values_it_is_scikit_learns_ridge_of_the_residual(random, module, own):
    """At that penalty of the grid whose generalised cross-validation is least."""
    X = random.normal(size=(80, 2))
    outputs = [X[:, 0] + random.normal(size=80), X[:, 1] + random.normal(size=80)]
    y = X[:, 0] - X[:, 1] + 0.5 * random.normal(size=80)
    crowd = gathered(outputs, X)
    start = crowd.answer(routed.weigh(crowd), routed.UNSEEN)
    G, r = standard(np.column_stack([*([X] if own else []), start, *outputs])), y - start
    scores = {}
    for penalty in 80 * np.logspace(-3, 3, 19):
        model = Ridge(alpha=penalty).fit(G, r)
        hat = G @ np.linalg.solve(G.T @ G + penalty * np.eye(G.shape[1]), G.T)
        scores[penalty] = ((r - model.predict(G)) ** 2).sum() / (1 - (np.trace(hat) + 1) / 80) ** 2
    model = Ridge(alpha=min(scores, key=scores.get)).fit(G, r)
    state = module.fit(crowd, y)
    assert np.allclose(state["B"], model.coef_, atol=1e-6) and np.isclose(state["b"], model.intercept_ * 80 / 81)
    assert np.allclose(module.apply(crowd, state), start + G @ model.coef_ + model.intercept_ * 80 / 81)


@pytest.mark.parametrize(("module", "own"), [(stacked, False), (augmented, True)])
def test_of_classes_it_is_scikit_learns_logistic_regression_where_the_members_know_nothing(random, module, own):
    """Equal probabilities in the ensemble are an offset of nought; the pull on the intercept is a column that is always sqrt(penalty)."""
    X = random.normal(size=(120, 2))
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
    P = random.dirichlet(np.ones(3) * 4, size=120)
    # Two members whose answers cancel in the mean: the ensemble is flat, the features are not.
    crowd = gathered([P, 2 / 3 - P], X, classes=("a", "b", "c"))
    flat = (P.max(axis=1) < 0.66)
    crowd, y, X, P = crowd.rows(np.flatnonzero(flat)), y[flat], X[flat], P[flat]
    F = np.concatenate([*([X] if own else []), np.full((len(y), 3), np.log(1 / 3)), np.log(P), np.log(2 / 3 - P)], axis=1)
    G = (F - F.mean(axis=0)) / (F.std(axis=0) + 1e-9)
    penalty = 0.5 * np.sqrt(F.shape[1])
    model = LogisticRegression(C=1 / penalty, fit_intercept=False, tol=1e-8, max_iter=2000).fit(np.column_stack([G, np.full(len(y), np.sqrt(penalty))]), y)
    wanted = model.predict_proba(np.column_stack([G, np.full(len(y), np.sqrt(penalty))]))
    assert np.allclose(module.apply(crowd, module.fit(crowd, y)), wanted, atol=5e-3)


def test_with_few_labels_stacking_stays_near_the_routed_ensemble(random):
    P = random.dirichlet(np.ones(2) * 2, size=200)
    crowd = gathered([P, P], classes=("a", "b"))
    few = np.concatenate([np.flatnonzero(P.argmax(axis=1) == c)[:2] for c in range(2)])
    state = stacked.fit(crowd.rows(few), P[few].argmax(axis=1))
    assert (stacked.apply(crowd, state).argmax(axis=1) == P.argmax(axis=1)).mean() > 0.9
