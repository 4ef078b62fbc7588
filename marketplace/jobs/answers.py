"""What a model said of some rows: as JSON for a page or a program, and as a table beside the rows that were sent."""

import csv as writing
import io
from typing import Any

import numpy as np

from marketplace.jobs.labelled import Table

PROBABILITIES = 50  # classes; with more of them only the likeliest are told
LIKELIEST = 5


def first(output: dict, answers: np.ndarray, columns: dict[str, np.ndarray], most: int) -> dict[str, Any]:
    """The first `most` rows with their answers: {"target", "kind", "unit", "classes", "rows", and "values" or "labels", "probabilities", "likeliest"}.

    `answers` is (n, classes) probabilities or (n,) values.
    """
    some = answers[:most]
    found: dict[str, Any] = {
        "target": output["target"], "kind": output["kind"], "unit": output.get("unit") or "", "classes": list(output.get("classes", [])),
        "rows": {name: [_plain(value) for value in values[:most].tolist()] for name, values in columns.items()},
    }
    if some.ndim == 1:
        return found | {"values": some.tolist()}
    classes = found["classes"]
    order = np.argsort(-some, axis=1, kind="stable")
    return found | {
        "labels": [classes[i] for i in order[:, 0]],
        "probabilities": some.round(6).tolist() if len(classes) <= PROBABILITIES else None,
        "likeliest": [[[classes[i], round(float(row[i]), 6)] for i in ranks[:LIKELIEST]] for row, ranks in zip(some, order, strict=True)],
    }


def csv(output: dict, answers: np.ndarray, table: Table) -> bytes:
    """The whole table as it was sent, with the columns that `moorage predict` adds: predicted_<target>, and probability_<class> for each class."""
    target = f"predicted_{output['target']}"
    if answers.ndim == 1:
        names, added = [target], [[repr(value)] for value in answers.tolist()]
    else:
        classes = output["classes"]
        names = [target, *(f"probability_{name}" for name in classes)]
        added = [[classes[int(row.argmax())], *(f"{value:.6g}" for value in row)] for row in answers]
    kept = [i for i, name in enumerate(table.header) if name not in names]
    text = io.StringIO(newline="")
    writer = writing.writer(text, lineterminator="\n")
    writer.writerow([table.header[i] for i in kept] + names)
    writer.writerows([row[i] for i in kept] + new for row, new in zip(table.rows, added, strict=True))
    return text.getvalue().encode()


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value
