"""Spaces: the published frame of reference in which specifications may be compared.

A space says which columns there are, how raw values become coordinates, and which kernel holds. Only
locations, scales, level names and one bandwidth are published, never a row.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from specs import kernels
from specs.checks import SpecError, positive
from specs.columns import Column, categorical, infer, numbers, raw_columns, texts

FORMAT = "moorage.space/1"
MAX_COLUMNS = 2_000
MAX_COORDINATES = 4_096
SIGMA_ROWS = 2_000


@dataclass(frozen=True)
class SpaceFit:
    """How a table's columns stand to a space's: `fits` when nothing is missing and no type is wrong."""

    missing: tuple[str, ...]
    extra: tuple[str, ...]
    wrong_type: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether nothing is missing and no type is wrong; columns may be over."""
        return not self.missing and not self.wrong_type


@dataclass(frozen=True)
class Space:
    """An immutable frame for tables: columns, their coordinates, and a Gaussian kernel of bandwidth sigma."""

    name: str
    columns: tuple[Column, ...]
    sigma: float
    kind: str = "table"

    @classmethod
    def from_table(cls, frame: Any, *, name: str, target: str | None = None, units: Mapping[str, str] | None = None) -> "Space":
        """Found a space from a table (pandas DataFrame or mapping of columns), leaving the target column out.

        Numeric columns are centred and scaled, the rest become levels; sigma is the median distance of at most
        2,000 rows. Raises SpecError for columns of no known type or without a single value.
        """
        table = raw_columns(frame)
        if target is not None and target not in table:
            raise SpecError("no-target", f"There is no column {target!r}; there are {', '.join(list(table)[:20])}.")
        names = [column for column in table if column != target]
        if not names:
            raise SpecError("no-columns", "A space needs at least one column besides the target; got none.")
        if len(names) > MAX_COLUMNS:
            raise SpecError("too-many-columns", f"A space has at most {MAX_COLUMNS:,} columns; got {len(names):,}.")
        rows = len(table[names[0]])
        if rows < 2:
            raise SpecError("too-few-rows", f"A space is founded on at least 2 rows; got {rows}.")
        columns = tuple(infer(column, table[column], (units or {}).get(column)) for column in names)
        draft = cls(name=name, columns=columns, sigma=1.0)
        if draft.d > MAX_COORDINATES:
            raise SpecError("too-many-columns", f"A space has at most {MAX_COORDINATES:,} coordinates; got {draft.d:,}.")
        return cls(name=name, columns=columns, sigma=_median_distance(draft.encode(table)))

    @cached_property
    def id(self) -> str:
        """SHA-256 of the canonical JSON, so that equal frames are one space wherever they were founded."""
        return hashlib.sha256(canonical(self.to_json())).hexdigest()

    @property
    def d(self) -> int:
        """How many coordinates a row has."""
        return sum(column.width for column in self.columns)

    def coordinates(self) -> list[tuple[str, slice]]:
        """Each column's name and the slice of coordinates that it fills."""
        found, start = [], 0
        for column in self.columns:
            found.append((column.name, slice(start, start + column.width)))
            start += column.width
        return found

    def compare(self, columns: list[dict[str, str]]) -> SpaceFit:
        """Hold a table's columns, as [{"name", "type"}], against this space's."""
        theirs = {column["name"]: column.get("type") for column in columns}
        ours = {column.name: column.type for column in self.columns}
        return SpaceFit(
            missing=tuple(name for name in ours if name not in theirs),
            extra=tuple(name for name in theirs if name not in ours),
            # Numbers can serve as the names of levels ("0" and "1"), words can not serve as numbers.
            wrong_type=tuple(
                name for name, kind in ours.items() if kind == "numeric" and theirs.get(name) == "categorical"
            ),
        )

    @staticmethod
    def columns_of(frame: Any, target: str | None = None) -> list[dict[str, str]]:
        """The columns of a table as [{"name", "type"}]: what `compare` and a market's search for a space take."""
        table = raw_columns(frame)
        return [
            {"name": name, "type": "categorical" if categorical(values) else "numeric"}
            for name, values in table.items()
            if name != target
        ]

    def encode(self, frame: Any) -> np.ndarray:
        """Rows as coordinates: (n, d) float64, finite. Columns that the space does not know are left out.

        Raises SpecError that lists missing columns and columns of another type.
        """
        table = raw_columns(frame)
        missing = [column.name for column in self.columns if column.name not in table]
        if missing:
            extra = [name for name in table if name not in {column.name for column in self.columns}]
            raise SpecError(
                "missing-columns",
                f"The space {self.name!r} needs the columns {_some(missing)}, which the table does not have.",
                f"Columns of the table that the space does not know: {_some(extra)}; rename or add what is missing."
                if extra
                else "Add them, or choose another space.",
            )
        X = np.empty((len(table[self.columns[0].name]), self.d))
        for column, (_, where) in zip(self.columns, self.coordinates(), strict=True):
            X[:, where] = column.encode(table[column.name])
        if len(X) == 0:
            raise SpecError("no-rows", "The table must have at least one row; got none.", "Bring a table with rows under its header.")
        return X

    def decode(self, X: np.ndarray) -> dict[str, np.ndarray]:
        """The raw columns that coordinates X (n, d) stand for: numbers as float64, levels as text."""
        X = np.asarray(X, dtype=np.float64)
        return {
            column.name: column.decode(X[:, where])
            for column, (_, where) in zip(self.columns, self.coordinates(), strict=True)
        }

    def to_json(self) -> dict[str, Any]:
        """The document whose canonical JSON gives the id."""
        columns = [{k: v for k, v in asdict(column).items() if v is not None} for column in self.columns]
        return {"format": FORMAT, "kind": self.kind, "name": self.name, "columns": columns,
                "kernel": {"type": "gaussian", "sigma": self.sigma}}

    @classmethod
    def from_json(cls, document: Any) -> "Space":
        """Read and check a space's JSON document; raises SpecError for whatever is wrong."""
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            came = document.get("format") if isinstance(document, dict) else type(document).__name__
            raise SpecError("wrong-format", f"A space must be an object of format {FORMAT!r}; got {came!r}.")
        extra = set(document) - {"format", "kind", "name", "columns", "kernel"}
        if extra or document.get("kind") != "table":
            raise SpecError("wrong-space", f"A space has kind 'table' and no other keys; got {sorted(extra) or document.get('kind')}.")
        name, kernel, columns = document.get("name"), document.get("kernel"), document.get("columns")
        if not isinstance(name, str) or not 1 <= len(name) <= 120:
            raise SpecError("wrong-space", "A space's name must be text of 1 to 120 characters.")
        if not isinstance(kernel, dict) or set(kernel) != {"type", "sigma"} or kernel["type"] != "gaussian":
            raise SpecError("wrong-space", "A space's kernel must be {type: gaussian, sigma: number}.")
        if not isinstance(columns, list) or not 1 <= len(columns) <= MAX_COLUMNS:
            raise SpecError("wrong-space", f"A space has 1 to {MAX_COLUMNS:,} columns.")
        space = cls(name=name, columns=tuple(Column.from_json(column) for column in columns),
                    sigma=positive(kernel["sigma"], "sigma"))
        if len({column.name for column in space.columns}) != len(columns):
            raise SpecError("wrong-space", "Each column of a space must have a name of its own; some repeat.")
        if space.d > MAX_COORDINATES:
            raise SpecError("wrong-space", f"A space has at most {MAX_COORDINATES:,} coordinates; got {space.d:,}.")
        return space


def canonical(document: Any) -> bytes:
    """JSON with sorted keys, no spaces and shortest floats: the same bytes for the same content everywhere."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _some(names: list[str], most: int = 8) -> str:
    shown = ", ".join(map(repr, names[:most]))
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _median_distance(X: np.ndarray) -> float:
    rows = X[np.random.default_rng(0).permutation(len(X))[:SIGMA_ROWS]]
    distances = np.sqrt(kernels.squared_distances(rows, rows)[np.triu_indices(len(rows), 1)])
    distances = distances[distances > 1e-9]
    return float(f"{np.median(distances):.6g}") if len(distances) else 1.0


__all__ = ["Column", "Space", "SpaceFit", "canonical", "numbers", "texts"]
