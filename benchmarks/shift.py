"""WiSE-FT and BANG under shift: a base that has seen many styles a little is fine-tuned on one, and scored on the others.

Four settings, each of a base, a fine-tuned model, and what lies between them:

harsh           base: 300 digits in each of 11 styles and 150 of scikit-learn's, 1,500 steps; fine-tuned on 10,000 shifted digits, AdamW 5e-4, decay .05, 2,500 steps
gentle          the same base; fine-tuned on 10,000 digits, plain, shifted and sheared, AdamW 2e-4, 800 steps
over-confident  a base with label smoothing .1; fine-tuned on 1,000 shifted digits, no decay, 1e-3, 4,000 steps: far surer of itself than its base
cnn             a small convolutional network on Fashion-MNIST: base: 200 pictures in each of 8 corruptions; fine-tuned on 10,000 plain ones, 1,250 steps

"In" is accuracy on the style that was tuned on, "out" the mean over the others (rotations by 30 either way, inverted, noisy, blurred, on a background,
scikit-learn's digits; of Fashion-MNIST seven corruptions). WiSE-FT goes part of the way by (1 - alpha) base + alpha tuned; BANG tunes with label smoothing and
mixup first. Alpha is .5, or chosen as the product chooses it, on 100 labelled rows of the shift. BANG's condition, looked at on 500 unlabelled rows of the
shift, is that the tuned model is surer of itself than the base.
"""

import argparse
import copy
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks import digits
from benchmarks.report import Row, main

MLP = {"inputs": 784, "hidden": [256, 256, 256], "outputs": 10, "activation": "gelu", "norm": True}
CNN = {"height": 28, "width": 28, "channels": 1, "filters": [16, 32], "hidden": 64, "outputs": 10}
STYLES = {"plain": digits.plain, "shifted": digits.shifted(4), "left": digits.rotated(30), "right": digits.rotated(-30), "inverted": digits.inverted, "noisy": digits.grainy(0.3),
          "blurred": digits.blurred(1.5), "background": digits.on_background(0.5), "sheared": digits.sheared(0.4), "zoomed": digits.zoomed(1.3), "contrast": digits.contrast(0.4)}
OUT = ("left", "right", "inverted", "noisy", "blurred", "background")
CLOTHES = {"plain": digits.plain, "noisy": digits.grainy(0.25), "blurred": digits.blurred(1.0), "contrast": digits.contrast(0.4), "shifted": digits.shifted(3), "left": digits.rotated(20),
           "inverted": digits.inverted, "occluded": digits.occluded(10)}
ALPHAS = tuple(round(0.1 * i, 1) for i in range(11))
LABELLED, UNLABELLED, TEST = 100, 500, 2_000


@dataclass(frozen=True)
class Setting:
    """How a base and its fine-tuning are made: epochs over `rows` pictures of `styles`."""

    name: str
    styles: tuple[str, ...]
    rows: int
    epochs: int
    lr: float
    decay: float
    smooth_base: float = 0.0
    clothes: bool = False


SETTINGS = (
    Setting("harsh", ("shifted",), 10_000, 16, 5e-4, 0.05),
    Setting("gentle", ("plain", "shifted", "sheared"), 10_000, 5, 2e-4, 0.05),
    Setting("over-confident", ("shifted",), 1_000, 250, 1e-3, 0.0, smooth_base=0.1),
    Setting("cnn", ("plain",), 10_000, 8, 1e-3, 0.0, clothes=True),
)
WAYS = {"fine-tuned": {}, "label smoothing .1": {"label_smoothing": 0.1}, "mixup .2": {"mixup": 0.2}, "both": {"label_smoothing": 0.1, "mixup": 0.2}}


class World:
    """The rows of one setting and seed: to pre-train on, to tune on, and of each style to score on."""

    def __init__(self, setting: Setting, seed: int) -> None:
        pictures, labels = digits.fashion() if setting.clothes else digits.mnist()
        rng = np.random.default_rng(seed)
        order = rng.permutation(60_000)
        styles = CLOTHES if setting.clothes else STYLES
        out = [name for name in CLOTHES if name != "plain"] if setting.clothes else list(OUT)
        take = lambda rows, style: (digits.flat(style(digits.unit(pictures[rows]), rng)), labels[rows])  # noqa: E731
        each = 200 if setting.clothes else 300
        first = [take(order[i * each : (i + 1) * each], style) for i, style in enumerate(styles.values())]
        parts = np.array_split(order[20_000 : 20_000 + setting.rows], len(setting.styles))
        tune = [take(part, styles[name]) for part, name in zip(parts, setting.styles, strict=True)]
        test = rng.permutation(np.arange(60_000, 70_000))
        self.inside = take(test[:TEST], styles[setting.styles[0]])
        self.out = {name: take(test[TEST : 2 * TEST], styles[name]) for name in out}
        asked = [take(order[50_000 + 200 * i : 50_000 + 200 * (i + 1)], styles[name]) for i, name in enumerate(out)]
        if not setting.clothes:
            X, y = digits.small()
            rows = rng.permutation(len(y))
            first.append((digits.flat(X[rows[:150]]), y[rows[:150]]))
            self.out["scikit-learn"] = (digits.flat(X[rows[350:]]), y[rows[350:]])
            asked.append((digits.flat(X[rows[150:350]]), y[rows[150:350]]))
        self.first, self.tune, asked = _joined(first), _joined(tune), _joined(asked)
        mixed = rng.permutation(len(asked[1]))
        self.labelled = asked[0][mixed[:LABELLED]], asked[1][mixed[:LABELLED]]
        self.unlabelled = asked[0][mixed[LABELLED : LABELLED + UNLABELLED]]


def _joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([X for X, _ in parts]), np.concatenate([y for _, y in parts])


def measured(setting: Setting, seed: int) -> dict[str, tuple[float, float]]:
    """{way: (accuracy in, accuracy out)}, and under "surer" the condition of each way of tuning, "alpha" the chosen ones."""
    import torch

    from reuse import architectures
    from reuse.finetune import Phase, Settings, blended, train
    from reuse.finetune.bang import overconfident

    world = World(setting, seed)
    torch.manual_seed(seed)
    base = architectures.build(*(("cnn", CNN) if setting.clothes else ("mlp", MLP)))
    pre = Settings((Phase("all", max(1, round(1_500 * 64 / len(world.first[1]))), 1e-3, 0.01),), 0.0, seed, label_smoothing=setting.smooth_base, balanced=False, cosine=True, warmup=0.1)
    train(base, *world.first, 10, pre)
    probabilities = _answers(base)
    found: dict[str, Any] = {"base": _scores(world, probabilities)}
    start, sure = probabilities(world.unlabelled), {}
    tuning = Settings((Phase("all", setting.epochs, setting.lr, setting.decay),), 0.0, seed + 1, balanced=False)
    for name, more in WAYS.items():
        done = train(copy.deepcopy(base), *world.tune, 10, replace(tuning, **more))
        answers = _answers(done.module)
        sure[name] = overconfident(start, answers(world.unlabelled))
        if name == "fine-tuned":
            found["fine-tuned"] = _scores(world, answers)
            found["outputs averaged"] = _scores(world, lambda X, answers=answers: probabilities(X) + answers(X))
        between = copy.deepcopy(done.module)

        def at(alpha: float, done: Any = done, between: Any = between) -> Callable[[np.ndarray], np.ndarray]:
            between.load_state_dict(blended(done.start, done.tuned, alpha))
            return _answers(between)

        label = "WiSE-FT" if name == "fine-tuned" else f"BANG, {name}"
        if name == "fine-tuned":
            for alpha in ALPHAS:
                found[f"WiSE-FT, alpha {alpha:g}"] = _scores(world, at(alpha))
        found[f"{label}, alpha .5"] = _scores(world, at(0.5))
        chosen = _chosen(world, at)
        found[f"{label}, alpha chosen"] = _scores(world, at(chosen))
        found.setdefault("alpha", {})[label] = chosen
    return found | {"surer": sure}


def _answers(module: Any) -> Callable[[np.ndarray], np.ndarray]:
    from reuse.formats.safetensors import predictor

    return predictor(module, True)


def _scores(world: World, answers: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    right = lambda part: 100 * float((answers(part[0]).argmax(axis=1) == part[1]).mean())  # noqa: E731
    return right(world.inside), float(np.mean([right(part) for part in world.out.values()]))


def _chosen(world: World, at: Callable[[float], Any]) -> float:
    """As reuse/recipes chooses it: the least loss on the labelled rows, nearest to .5 among equals."""
    from reuse import evidence

    losses = {alpha: float(evidence.losses(at(alpha)(world.labelled[0]), world.labelled[1]).mean()) for alpha in ALPHAS}
    return min(ALPHAS, key=lambda alpha: (losses[alpha], abs(alpha - 0.5)))


def run(arguments: argparse.Namespace) -> list[Row]:
    import torch

    torch.set_num_threads(1)
    seeds = arguments.seeds or (1 if arguments.quick else 5)
    rows = []
    wanted = arguments.settings.split(",") if arguments.settings else [setting.name for setting in SETTINGS[: 1 if arguments.quick else None]]
    for setting in (setting for setting in SETTINGS if setting.name in wanted):
        began, found = time.monotonic(), []
        for seed in range(seeds):
            found.append(measured(setting, seed))
            print(f"{setting.name}, seed {seed + 1}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        rows += _rows(setting, found)
    return rows


def _rows(setting: Setting, found: list[dict[str, Any]]) -> list[Row]:
    out = lambda way: np.array([one[way][1] for one in found])  # noqa: E731
    inside = lambda way: np.array([one[way][0] for one in found])  # noqa: E731
    said = lambda a: f"± {a.std(ddof=1):.1f}" if len(a) > 1 else ""  # noqa: E731
    rows = []
    for way in (key for key in found[0] if key not in ("surer", "alpha")):
        note = f"{said(out(way))}; in distribution {inside(way).mean():.1f}"
        if way.endswith("alpha chosen"):
            note += "; alpha " + " ".join(f"{one['alpha'][way.rpartition(',')[0]]:g}" for one in found)
        rows.append(Row(setting.name, f"{way}, out of distribution", "%", float(out(way).mean()), peer=float(out("fine-tuned").mean()), note=note))
    wise = out("WiSE-FT, alpha .5")
    rows.append(Row(setting.name, "alpha chosen on 100 rows less .5", "points", float((out("WiSE-FT, alpha chosen") - wise).mean()), note=f"in distribution {(inside('WiSE-FT, alpha chosen') - inside('WiSE-FT, alpha .5')).mean():+.1f}"))
    surer = np.array([one["surer"]["fine-tuned"] for one in found])
    for name in list(WAYS)[1:]:
        gain = out(f"BANG, {name}, alpha .5") - wise
        noise = 2 * gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.inf
        verdict = "BANG helps" if gain.mean() > noise else "BANG hurts" if gain.mean() < -noise else "alike"
        rows.append(Row(setting.name, f"BANG, {name}, less WiSE-FT, both at .5", "points", float(gain.mean()), note=f"{said(gain)}; {verdict}; the tuned model is surer by {surer.mean():+.3f}"))
    return rows


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", default="", help=f"names with commas (all: {','.join(setting.name for setting in SETTINGS)})")


if __name__ == "__main__":
    main("shift", run, doc=__doc__, more=more, packages=("torch", "numpy"))
