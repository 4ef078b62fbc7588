"""Runs inside the environment of the `learnware` package: its reusers on the members' stored answers. Python 3.11, no Moorage.

Its own code decides everything: specifications of the training rows at its defaults, mixture weights, herding, the selector, pruning, augmentation. Four
things are stood in for, each in its favour:

- the models: what a row's bytes were answered before, so that the very same models answer;
- herding's running sum is kept instead of made anew at every step (the same numbers; seconds instead of minutes);
- `geatpy`, whose wheels end at Python 3.10: every subset of at least two members is looked at, which is the best its evolution can find;
- two arguments of FeatureAugment that scikit-learn has removed since (`multi_class`, `store_cv_values`) are dropped.
"""

import contextlib
import itertools
import json
import os
import random
import signal
import sys
import time
import types
import warnings
from pathlib import Path

import numpy as np
import torch
from peer_stubs import stub

stub()

from learnware.learnware import Learnware  # noqa: E402
from learnware.model import BaseModel  # noqa: E402
from learnware.reuse import AveragingReuser, EnsemblePruningReuser, FeatureAugmentReuser, JobSelectorReuser, feature_augment  # noqa: E402
from learnware.specification import RKMETableSpecification, Specification  # noqa: E402

warnings.filterwarnings("ignore")
SELECTOR_S = 150  # CPU seconds; on 129 columns and seven members its grid of boosted trees did not end in 19 minutes, and is left out


class Remembered(BaseModel):
    """A model by its answers: {bytes of a row: output}."""

    def __init__(self, X, outputs):
        super().__init__((X.shape[1],), outputs.shape[1:] or (1,))
        self.known = {row.tobytes(): output for row, output in zip(X, outputs)}

    def predict(self, X):
        return np.array([self.known[row.tobytes()] for row in np.ascontiguousarray(X, dtype=np.float64)])


def main(folder):
    request = json.loads((folder / "in.json").read_text())
    torch.set_num_threads(1)
    stand_in()
    out, told = {}, {}
    with np.load(folder / "in.npz") as arrays:
        specifications = {}
        for i, case in enumerate(request["cases"]):
            members = []
            for j, train in enumerate(case["train"]):
                if train not in specifications:
                    specifications[train] = specify(arrays[train])
                X = np.concatenate([arrays[f"{i}.at_hand"], arrays[f"{i}.unused"]])
                model = Remembered(X, np.concatenate([arrays[f"{i}.{j}.at_hand"], arrays[f"{i}.{j}.unused"]]))
                members.append(Learnware(str(j), model, Specification({}, {"RKMETableSpecification": specifications[train]}), ""))
            began = time.process_time()
            answers, failed = reuse(members, case, request["is_classes"], arrays[f"{i}.at_hand"], arrays[f"{i}.y"], arrays[f"{i}.unused"], {n: arrays[f"{i}.{n}.rows"] for n in case["labels"]})
            out |= {f"{i}.{name}": answer for name, answer in answers.items()}
            told[str(i)] = {"cpu_s": time.process_time() - began, "failed": failed}
    np.savez(folder / "out.npz", **out)
    (folder / "out.json").write_text(json.dumps(told))


def specify(X):
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    spec = RKMETableSpecification(cuda_idx=-1)
    spec.generate_stat_spec_from_data(X, K=100)
    return spec


def reuse(members, case, is_classes, at_hand, y, unused, draws):
    """({"0 jobs": answers on the unused rows, "50 pruning": one row a draw, ...}, {name: how many draws it could not be fitted on})."""
    mixture, mode = members[: case["mixture"]], "classification" if is_classes else "regression"
    modes = ("vote_by_label", "vote_by_prob") if is_classes else ("mean",)
    answers, failed = {f"0 {mode}": flat(AveragingReuser(mixture, mode=mode).predict(unused)) for mode in modes}, {}
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    try:
        with at_most(SELECTOR_S):
            answers["0 jobs"] = flat(JobSelectorReuser(mixture).predict(unused))
    except TimeoutError:
        failed["0 jobs"] = 1
    for n, rows in draws.items():
        for name, made in (("pruning", EnsemblePruningReuser), ("augment", FeatureAugmentReuser)):
            for which, chosen in (("mixture", mixture), ("all", members)):
                if which == "all" and len(members) == len(mixture):
                    answers[f"{n} {name} of all"] = answers[f"{n} {name} of mixture"]
                    continue
                found = []
                for drawn in rows:
                    try:
                        found.append(fitted(made, chosen, mode, at_hand[drawn].copy(), y[drawn].copy(), unused.copy()))
                    except ValueError:  # folds of fewer rows than classes: its averaging stands there
                        found.append(answers[f"0 {modes[-1]}"])
                        failed[f"{n} {name} of {which}"] = failed.get(f"{n} {name} of {which}", 0) + 1
                answers[f"{n} {name} of {which}"] = np.array(found)
    return answers, failed


@contextlib.contextmanager
def at_most(cpu_s):
    """TimeoutError after so many CPU seconds."""

    def over(*_):
        raise TimeoutError

    signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def fitted(made, members, mode, X, y, unused):
    """What a reuser that learns from labels answers. Pruning asks for two members at least."""
    if made is EnsemblePruningReuser and len(members) < 2:
        return flat(members[0].predict(unused))
    random.seed(0), np.random.seed(0)
    reuser = made(members, mode=mode)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        reuser.fit(X, y)
    return flat(reuser.predict(unused))


def flat(answer):
    """Class numbers or values, (n,)."""
    answer = np.asarray(answer)
    return answer.argmax(axis=1) if answer.ndim == 2 and answer.shape[1] > 1 else answer.reshape(-1)


def stand_in():
    class Problem:
        def __init__(self, *, Dim, evalVars, **settings):
            self.width, self.judge = Dim, evalVars

        @staticmethod
        def single(function):
            return function

    def optimize(algorithm, **settings):
        problem = algorithm
        every = [np.array(bits) for bits in itertools.product((0, 1), repeat=problem.width) if sum(bits) > 1]
        return {"Vars": np.array(every), "ObjV": np.concatenate([problem.judge(bits.copy()) for bits in every])}

    same = lambda problem, population, **settings: problem  # noqa: E731
    sys.modules["geatpy"] = types.SimpleNamespace(Problem=Problem, Population=lambda **settings: None, optimize=optimize, moea_NSGA2_templet=same, moea_NSGA3_templet=same)
    for name in ("LogisticRegressionCV", "RidgeCV"):
        setattr(feature_augment, name, without_removed(getattr(feature_augment, name)))
    RKMETableSpecification.herding = herding


def without_removed(made):
    return lambda *, multi_class=None, store_cv_values=None, **settings: made(**settings)


def herding(self, T):
    shape = self.z.shape
    self.z = self.z.reshape(shape[0], -1)
    candidates = self._sampling_candidates(100 * T).to(self._device).double()
    norms = (candidates**2).sum(1)
    chosen = torch.zeros((T, self.z.shape[1]))
    pull, had = torch.from_numpy(self._inner_prod_with_X(candidates)), torch.zeros(100 * T)
    for i in range(T):
        if i > 0:
            last = chosen[i - 1].double()
            had = had + torch.exp(-self.gamma * ((last**2).sum() - 2 * candidates @ last + norms))
        chosen[i] = candidates[torch.argmax((i + 1) * pull - had)]
    self.z = self.z.reshape(shape)
    return chosen.reshape([T, *shape[1:]]).numpy()


main(Path(sys.argv[1]))
