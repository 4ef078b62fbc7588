"""Columns of a table and the coordinates they become."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from specs.checks import SpecError

MAX_LEVELS = 30
MISSING_TEXT = {"", "na", "nan", "n/a", "null", "none", "?"}


@dataclass(frozen=True)
class Column:
    """A column of a space.

    A numeric one fills one coordinate, (value - location) / scale, and a second one, 1 where the value is missing,
    if the founder's data had missing values. A categorical one fills one coordinate a level, 1/sqrt(2) where it
    holds, so that two different levels stand at distance 1; unknown and missing levels are all zero.
    """

    name: str
    type: str
    unit: str | None = None
    location: float | None = None
    scale: float | None = None
    missing: bool | None = None
    levels: tuple[str, ...] | None = None

    @property
    def width(self) -> int:
        """How many coordinates it fills."""
        return len(self.levels or ()) if self.type == "categorical" else 1 + bool(self.missing)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Raw values (n,) as coordinates (n, width)."""
        if self.type == "categorical":
            words = texts(values)
            return np.stack([words == level for level in self.levels], axis=1) * np.sqrt(0.5)
        x = numbers(values, self.name)
        absent = np.isnan(x)
        with np.errstate(over="ignore"):
            z = np.where(absent, 0.0, (x - self.location) / self.scale)
        if not np.isfinite(z).all():
            raise SpecError("too-large", f"The column {self.name!r} must lie within what its space can measure; row {int(np.argmin(np.isfinite(z)))} does not.",
                            "Check its unit, or leave the cell empty.")
        return np.stack([z, absent.astype(float)], axis=1) if self.missing else z[:, None]

    def decode(self, Z: np.ndarray) -> np.ndarray:
        """Coordinates (n, width) as raw values (n,): numbers, or the nearest level."""
        if self.type == "categorical":
            return np.array(self.levels, dtype=object)[Z.argmax(axis=1)]
        x = Z[:, 0] * self.scale + self.location
        return np.where(Z[:, 1] > 0.5, np.nan, x) if self.missing else x

    @classmethod
    def from_json(cls, document: Any) -> "Column":
        def wrong(why: str) -> SpecError:
            return SpecError("wrong-space", f"A column of the space is wrong: {why}")

        if not isinstance(document, dict):
            raise wrong("each must be an object.")
        name, kind, unit = document.get("name"), document.get("type"), document.get("unit")
        if not isinstance(name, str) or not 1 <= len(name) <= 200:
            raise wrong("its name must be text of 1 to 200 characters.")
        if unit is not None and not (isinstance(unit, str) and len(unit) <= 40):
            raise wrong(f"the unit of {name!r} must be text of at most 40 characters.")
        if kind == "categorical":
            levels = document.get("levels")
            if not isinstance(levels, list | tuple) or not 1 <= len(levels) <= 1_000 or len(set(map(str, levels))) != len(levels):
                raise wrong(f"{name!r} must have 1 to 1,000 different levels.")
            if not all(isinstance(level, str) and len(level) <= 200 for level in levels):
                raise wrong(f"the levels of {name!r} must be texts of at most 200 characters.")
            if set(document) - {"name", "type", "unit", "levels"}:
                raise wrong(f"{name!r} has keys that a categorical column does not have.")
            return cls(name=name, type=kind, unit=unit, levels=tuple(levels))
        if kind != "numeric":
            raise wrong(f"the type of {name!r} must be numeric or categorical; got {kind!r}.")
        if set(document) - {"name", "type", "unit", "location", "scale", "missing"}:
            raise wrong(f"{name!r} has keys that a numeric column does not have.")
        location, scale, missing = document.get("location"), document.get("scale"), document.get("missing", False)
        for label, value in (("location", location), ("scale", scale)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
                raise wrong(f"the {label} of {name!r} must be a finite number.")
        if not scale > 0 or not isinstance(missing, bool):
            raise wrong(f"{name!r} needs a scale above 0 and missing true or false.")
        return cls(name=name, type=kind, unit=unit, location=float(location), scale=float(scale), missing=missing)


def raw_columns(frame: Any) -> dict[str, np.ndarray]:
    """A table as {name: 1-D array}; takes a pandas DataFrame or a mapping. Raises SpecError for anything else."""
    if hasattr(frame, "columns") and hasattr(frame, "__getitem__"):
        names = [str(name) for name in frame.columns]
        if len(set(names)) != len(names):
            raise SpecError("repeated-columns", "Each column must have a name of its own; some repeat.")
        table = {str(name): _array(frame[name]) for name in frame.columns}
    elif isinstance(frame, Mapping):
        table = {str(name): _array(values) for name, values in frame.items()}
    else:
        raise SpecError("not-a-table", f"A table must be a DataFrame or a mapping of columns; got {type(frame).__name__}.")
    if not table:
        raise SpecError("no-columns", "A table must have at least one column; got none.")
    lengths = {len(values) for values in table.values()}
    if len(lengths) > 1 or any(values.ndim != 1 for values in table.values()):
        raise SpecError("not-a-table", "The columns of a table must be 1-D and equally long; they are not.")
    return table


def _array(values: Any) -> np.ndarray:
    if hasattr(values, "to_numpy"):
        kind = str(getattr(values, "dtype", ""))
        if kind in {"category", "string", "str", "boolean"} or kind.startswith(("string", "bool")):
            return values.astype(object).to_numpy()
        values = values.to_numpy()
    return np.asarray(values) if isinstance(values, np.ndarray) else np.asarray(list(values), dtype=_dtype(values))


def _dtype(values: Any) -> Any:
    return None if all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in values) else object


def absent(value: Any) -> bool:
    """Whether a raw value stands for a missing one: None, NaN, NA, NaT, or a text such as '' and 'NA'."""
    # pandas' NA first: it has no truth value, so it may not reach a comparison.
    if value is None or type(value).__name__ in {"NAType", "NaTType"} or value != value:
        return True
    return isinstance(value, str) and value.strip().lower() in MISSING_TEXT


def categorical(values: np.ndarray) -> bool:
    """Whether a raw column holds words (booleans among them) rather than numbers."""
    if values.dtype.kind in "iuf":
        return False
    if values.dtype.kind == "b":
        return True
    if values.dtype.kind in "mM":
        raise SpecError(
            "unknown-type", f"Columns must hold numbers or words; got {values.dtype}.",
            "Turn dates into numbers first, for example year, month and hour.",
        )
    present = [value for value in values if not absent(value)]
    if not present:
        return False
    if any(isinstance(value, bool | np.bool_) for value in present):
        return True
    if not all(isinstance(value, str | int | float | np.number) for value in present):
        odd = next(value for value in present if not isinstance(value, str | int | float | np.number))
        raise SpecError("unknown-type", f"Columns must hold numbers or words; got {type(odd).__name__}.",
                        "Turn dates and nested values into numbers or words first.")
    return any(_number(value) is None for value in present)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def numbers(values: np.ndarray, name: str) -> np.ndarray:
    """A raw column as float64 (n,), nan where missing. Raises SpecError that shows the first value that is none."""
    if values.dtype.kind in "iufb":
        x = values.astype(np.float64)
    else:
        x = np.empty(len(values))
        for row, value in enumerate(values):
            number = np.nan if absent(value) else _number(value)
            if number is None:
                raise SpecError(
                    "wrong-type",
                    f"The column {name!r} must hold numbers; row {row} holds {str(value)[:40]!r}.",
                    "Clean the column, or describe it in a space where it is categorical.",
                )
            x[row] = number
    if np.isinf(x).any():
        raise SpecError("not-finite", f"The column {name!r} must be finite; row {int(np.argmax(np.isinf(x)))} is infinite.",
                        "Drop those rows or leave the cells empty.")
    return x


def texts(values: np.ndarray) -> np.ndarray:
    """A raw column as an object array of texts, None where missing; whole numbers lose their '.0'."""
    return np.array([None if absent(value) else _text(value) for value in values], dtype=object)


def _text(value: Any) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def infer(name: str, values: np.ndarray, unit: str | None) -> Column:
    """The column of a new space, from the founder's raw values."""
    try:
        words = categorical(values)
    except SpecError as error:
        raise SpecError(error.code, f"Column {name!r}: {error.message}", error.hint) from None
    if words:
        held = texts(values)
        levels, counts = np.unique([level for level in held if level is not None], return_counts=True)
        common = levels[np.argsort(-counts, kind="stable")][:MAX_LEVELS]
        return Column(name=name, type="categorical", unit=unit, levels=tuple(sorted(str(level)[:200] for level in common)))
    x = numbers(values, name)
    known = x[~np.isnan(x)]
    if not len(known):
        raise SpecError("all-missing", f"The column {name!r} must hold at least one value; all are missing.",
                        "Drop the column.")
    with np.errstate(over="ignore", invalid="ignore"):
        scale = float(f"{known.std():.6g}")
    if not np.isfinite(scale):
        raise SpecError("too-large", f"The column {name!r} must have a finite spread; its numbers reach {np.abs(known).max():.3g}.",
                        "Measure it in a larger unit, or take its logarithm.")
    return Column(
        name=name, type="numeric", unit=unit, location=float(f"{known.mean():.6g}"),
        scale=scale if scale > 1e-12 * max(1.0, abs(known.mean())) else 1.0, missing=bool(np.isnan(x).any()),
    )
