"""The figures of the documentation, drawn anew from real data: `python -m benchmarks.figures` writes docs/images/*.svg.

reduction   569 patients in their first two principal components, and the weighted points that stand for them
mixture     a requirement that no single model knows: how far it lies from each model's data, from their mixture, and what sampling alone would give
distance    squared MMD of two parts of one table, and of two different tables, against what chance gives two samples of that size
"""

import numpy as np

import specs
from benchmarks.peers import ROOT

OUT = ROOT / "docs" / "images"
SEA, SAND, INK, GREY = "#0f7c8f", "#d98b2b", "#0a3547", "#9aa7ad"


def main() -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "moorage", "font.family": "sans-serif", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none"})
    for draw in (reduction, mixture, distance):
        figure = draw()
        figure.savefig(OUT / f"{draw.__name__}.svg", metadata={"Date": None}, bbox_inches="tight")
        print(f"docs/images/{draw.__name__}.svg")


def nuclei():
    from sklearn.datasets import load_breast_cancer

    return load_breast_cancer(as_frame=True).data.iloc[:, :10]


def reduction():
    from matplotlib.figure import Figure

    frame = nuclei()
    space = specs.Space.from_table(frame, name="nuclei")
    X, rkme = space.encode(frame), specs.describe(frame, space, points=40)
    centre = X.mean(axis=0)
    _, _, Vt = np.linalg.svd(X - centre, full_matrices=False)
    A, Z = (X - centre) @ Vt[:2].T, (rkme.points - centre) @ Vt[:2].T
    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    axes.scatter(*A.T, s=6, color=GREY, label=f"{len(X)} patients, which stay at home", linewidths=0)
    axes.scatter(*Z.T, s=2_500 * rkme.weights, color=SEA, alpha=0.55, label=f"{len(Z)} points that are handed out; area is weight", linewidths=0)
    axes.set(xlabel="first principal component", ylabel="second principal component")
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0), markerscale=0.8)
    return figure


def mixture():
    from matplotlib.figure import Figure

    frame = nuclei()
    rank = frame["mean radius"].rank(pct=True)
    space = specs.Space.from_table(frame, name="nuclei")
    rng = np.random.default_rng(0)
    half = rng.random(len(frame)) < 0.5
    parts = {"small nuclei": rank < 1 / 3, "middling": (rank >= 1 / 3) & (rank < 2 / 3), "large": rank >= 2 / 3}
    models = {name: specs.describe(frame[mask & half], space, points=40) for name, mask in parts.items()}
    asked = frame[~half & (parts["small nuclei"] | parts["large"])]
    requirement = specs.describe(asked, space, points=40)
    mixed = specs.mixture(requirement, list(models.values()))
    shown = {name: specs.squared_mmd(requirement, rkme) for name, rkme in models.items()}
    names = [*shown, "their mixture"]
    values = [*shown.values(), mixed.squared_mmd]
    figure = Figure(figsize=(7, 2.4))
    axes = figure.subplots()
    axes.barh(names, values, color=[GREY] * len(shown) + [SEA])
    axes.invert_yaxis()
    weights = ", ".join(f"{list(models)[i]} {w:.0%}" for i, w in zip(mixed.members, mixed.weights, strict=True))
    axes.set(xlabel=f"squared MMD to a hospital that sees small and large ones\nmixture: {weights}")
    return figure


def distance():
    from matplotlib.figure import Figure

    frame = nuclei()
    space = specs.Space.from_table(frame, name="nuclei")
    rng = np.random.default_rng(1)
    same, other = [], []
    order = frame["mean texture"].rank(pct=True).to_numpy()
    for _ in range(200):
        mixed = rng.permutation(len(frame))
        a, b = (specs.describe(frame.iloc[mixed[part]], space, points=30) for part in (slice(0, 280), slice(280, 560)))
        same.append(specs.squared_mmd(a, b))
    for _ in range(60):
        leaning = rng.random(len(frame)) < order
        a, b = (specs.describe(frame[mask], space, points=30) for mask in (leaning, ~leaning))
        other.append(specs.squared_mmd(a, b))
    figure = Figure(figsize=(7, 3))
    axes = figure.subplots()
    bins = np.linspace(0, max(*same, *other), 40)
    axes.hist(same, bins, color=SEA, alpha=0.8, label="one table, split at random")
    axes.hist(other, bins, color=SAND, alpha=0.8, label="split by texture, leaning")
    axes.set(xlabel="squared MMD of two parts with about 280 rows each", ylabel="splits")
    axes.legend(frameon=False)
    return figure


if __name__ == "__main__":
    main()
