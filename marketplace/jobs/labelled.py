"""Labelled rows of a user: a CSV read into columns. Used at the door (to refuse) and by the worker (to run).

NumPy and the csv module only: the web process reads with it.
"""

import csv
import io
from collections import Counter
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from marketplace.errors import Refused
from specs.columns import absent

MAX_ROWS = 200_000
MAX_COLUMNS = 5_000
MIN_ROWS = 2
MIN_JUDGED = 4  # labelled rows; fewer can not be split into folds
MIN_FREE = 2


def read(file: BinaryIO, *, space: Any, output: dict, target: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(columns of the space as arrays of n, labels (n,)) of the rows that have a label.

    Numeric columns and values are float64 (missing: nan), categories and classes are objects (str).
    Refused says what is wrong, with the line where there is one.
    """
    header, rows = _rows(file)
    _check_header(header, [column.name for column in space.columns], target)
    at, classes = header.index(target), set(output.get("classes", ()))
    labelled = [(line, row) for line, row in rows if not absent(row[at]) or row[at].strip() in classes]
    if len(labelled) < MIN_ROWS:
        raise _no(f"At least {MIN_ROWS} rows must have a value in {target!r}; {len(labelled)} of {len(rows)} have.",
                  "Add labelled rows: 20 to 100 are enough to choose a method by.")
    return _columns(header, labelled, space), _labels(target, [(line, row[at]) for line, row in labelled], output)


def read_rows(file: BinaryIO, *, space: Any) -> dict[str, np.ndarray]:
    """Columns of the space of rows without labels; other columns are left out. Refused says what is wrong."""
    header, rows = _rows(file)
    _check_header(header, [column.name for column in space.columns], None)
    if len(rows) < MIN_FREE:
        raise _no(f"A table without labels must have at least {MIN_FREE} rows; got {len(rows)}.", "Add rows: they need no labels.")
    return _columns(header, rows, space)


@dataclass(frozen=True)
class Table:
    """A whole file: `columns` of the space as arrays of n, and every cell as it was written, by `header` and `rows`."""

    columns: dict[str, np.ndarray]
    header: list[str]
    rows: list[list[str]]


def read_table(file: BinaryIO, *, space: Any, most: int) -> Table:
    """A file to be answered row by row: empty cells may be anywhere, other columns are kept aside. Refused says what is wrong."""
    header, rows = _rows(file)
    _check_header(header, [column.name for column in space.columns], None)
    if not 1 <= len(rows) <= most:
        raise _no(f"A table must have 1 to {most:,} rows here; got {len(rows):,}.",
                  "Add rows under the header." if not rows else "Send it in parts, or download the model and predict on your own machine.")
    columns = {}
    for column in space.columns:
        here = header.index(column.name)
        values = [(line, row[here]) for line, row in rows]
        columns[column.name] = _numbers(column.name, values) if column.type == "numeric" else _texts(values)
    return Table(columns, header, [row for _, row in rows])


Cell = tuple[int, str]  # a value with the line it stands in


def _columns(header: list[str], rows: list[tuple[int, list[str]]], space: Any) -> dict[str, np.ndarray]:
    columns = {}
    for column in space.columns:
        here = header.index(column.name)
        values = [(line, row[here]) for line, row in rows]
        if all(absent(value) for _, value in values):
            raise _no(f"Column {column.name!r} must have values; it is empty in every row.",
                      "Fill the column, or describe the data again without it.")
        columns[column.name] = _numbers(column.name, values) if column.type == "numeric" else _texts(values)
    return columns


def _rows(file: BinaryIO) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """(header, the other lines, each with its number)."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        reader = csv.reader(text, strict=True)
        header = [name.strip() for name in next(reader, [])]
        if not any(header):
            raise _no("The file must begin with a line of column names; it is empty.", "Save the table as CSV with a header.")
        if len(header) > MAX_COLUMNS:
            raise _no(f"A table may have {MAX_COLUMNS} columns; got {len(header)}.", "Leave out what the model does not take.")
        rows = []
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise _no(f"Every line must have {len(header)} values, as the header; line {reader.line_num} has {len(row)}.",
                          "Put values that contain commas into double quotes.")
            rows.append((reader.line_num, row))
            if len(rows) > MAX_ROWS:
                raise _no(f"A labelled table may have {MAX_ROWS} rows; this one has more.", "Take a sample: some hundred rows are plenty.")
    except UnicodeDecodeError as error:
        raise _no(f"The file must be text in UTF-8; byte {error.start} is not.", "Save the table as CSV (UTF-8).") from error
    except csv.Error as error:
        raise _no(f"The file must be a CSV table; it can not be read ({error}).", "Save the table as CSV with commas.") from error
    finally:
        text.detach()
    return header, rows


def _check_header(header: list[str], wanted: list[str], target: str | None) -> None:
    twice = [name for name, times in Counter(header).items() if times > 1 and name in {*wanted, target}]
    if twice:
        raise _no(f"Column names must differ; {twice[0]!r} stands there more than once.", "Rename one of them.")
    if target is not None and target not in header:
        raise _no(f"The table must have the column {target!r} with the labels; it has {_some(header)}.",
                  "Name the column of labels with `target`.", column=target)
    missing = [name for name in wanted if name not in header]
    if missing:
        over = [name for name in header if name not in wanted and name != target]
        hint = "Separate the values with commas, not semicolons." if len(header) == 1 and ";" in header[0] else \
            f"Name the columns as the space does. The file has, besides: {_some(over)}." if over else "Name the columns as the space does."
        raise _no(f"The table must have all {len(wanted)} columns of the space; missing: {_some(missing)}.", hint)


def _numbers(name: str, values: list[Cell]) -> np.ndarray:
    numbers = np.empty(len(values))
    for i, (line, value) in enumerate(values):
        try:
            numbers[i] = np.nan if absent(value) else float(value)
        except ValueError:
            raise _no(f"Column {name!r} must hold numbers; line {line} has {value[:40]!r}.",
                      "Numbers are written as 1234.5, without thousands separators or units.") from None
        if np.isinf(numbers[i]):
            raise _no(f"Column {name!r} must hold finite numbers; line {line} is infinite.",
                      "Leave the field empty where the value is not known.")
    return numbers


def _texts(values: list[Cell]) -> np.ndarray:
    texts = np.empty(len(values), dtype=object)
    texts[:] = [None if absent(value) else value.strip() for _, value in values]
    return texts


def _labels(target: str, values: list[Cell], output: dict) -> np.ndarray:
    if output["kind"] == "value":
        return _numbers(target, values)
    labels = np.empty(len(values), dtype=object)
    labels[:] = [_as_class(value.strip(), output["classes"]) for _, value in values]
    strange = sorted(set(labels) - set(output["classes"]))
    if strange:
        raise _no(f"Labels in {target!r} must be classes that the models know; got {_some(strange)}.",
                  f"They know: {_some(output['classes'])}.", column=target)
    if len(set(labels)) < 2:
        raise _no(f"Labels in {target!r} must show at least 2 classes; all {len(labels)} rows are {labels[0]!r}.",
                  "Add labelled rows of another class.", column=target)
    return labels


def _as_class(value: str, classes: list[str]) -> str:
    """The class that a value means: pandas writes whole-number labels as 1.0 as soon as one is missing."""
    if value not in classes and value.endswith(".0") and value[:-2] in classes:
        return value[:-2]
    return value


def _some(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name[:60]) for name in names[:most]) + more


def _no(message: str, hint: str, column: str = "") -> Refused:
    return Refused("bad-data", message, hint=hint, fields={"target" if column else "data": message})
