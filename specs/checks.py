"""The door of the package: every public function sends its input through here once."""

from typing import Any

import numpy as np


class SpecError(ValueError):
    """Input that a specification, a space or a distance can not be made from.

    `code` is a kebab-case reason, `message` says what, the rule and what came, `hint` what to do next.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.code, self.message, self.hint = code, message, hint


def matrix(X: Any, name: str = "X") -> np.ndarray:
    """X as a finite float64 array of shape (n, d), n >= 1, d >= 1; a copy only where needed."""
    try:
        array = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpecError("not-numbers", f"{name} must hold numbers only; {error}.") from None
    if array.ndim != 2 or 0 in array.shape:
        raise SpecError("wrong-shape", f"{name} must be (n, d) with n and d at least 1; got shape {array.shape}.")
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise SpecError(
            "not-finite",
            f"{name} must be finite; row {row}, column {column} holds {array[row, column]}.",
            "Drop or fill those rows first.",
        )
    return array


def positive(value: Any, name: str) -> float:
    """The value as a float above 0 and finite; raises SpecError otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 < float(value) < 1e12:
        raise SpecError("wrong-number", f"{name} must be a number above 0; got {value!r}.")
    return float(value)


def whole(value: Any, name: str, least: int, most: int) -> int:
    """The value as an int within bounds; raises SpecError otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= int(value) <= most:
        raise SpecError("wrong-number", f"{name} must be a whole number from {least} to {most}; got {value!r}.")
    return int(value)
