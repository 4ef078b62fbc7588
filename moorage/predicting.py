"""Running what was downloaded: a predictor, or a single learnware."""

import re
from pathlib import Path
from typing import Any

from moorage.errors import Refused


def predict(folder: str | Path, frame: Any) -> Any:
    """Predict a table's rows with a predictor's (or a downloaded learnware's) folder; returns a reuse.predictor.Prediction.

    The models run in a sandbox on this machine, the strongest that it gives; where it gives none (no Linux, no Landlock) with limits alone, after a
    warning, since the user chose them. MOORAGE_SANDBOX_LEVEL=l1 insists. Raises Refused when `moorage[reuse]` is not installed.
    """
    folder = Path(folder)
    try:
        import torch  # noqa: F401

        from reuse import predictor
        from reuse.sandbox import probe
    except ImportError as error:
        raise Refused(f"Running models needs {error.name or 'torch'}, which is not installed.", code="no-reuse", hint='pip install "moorage[reuse]"') from None
    probe.on_own_machine()
    if (folder / "predictor.json").is_file():
        return predictor.load(folder).predict(frame)
    if (folder / "learnware.json").is_file():
        return predictor.of_learnware(folder).predict(frame)
    raise Refused(f"{folder} holds neither predictor.json nor learnware.json.", code="no-predictor",
                  hint="Make one with `moorage reuse`, or fetch a learnware with `moorage download`.")


def is_reference(words: str) -> bool:
    """Whether words name a learnware, as owner/name or owner/name@1.0.0."""
    return re.fullmatch(r"[\w.@+-]+/[a-z0-9-]+(@\d+(\.\d+){0,2})?", words) is not None


def scored(folder: str | Path, data: Any, target: str) -> dict[str, Any]:
    """{"score", "metric"} of a folder's predictions of labelled rows: accuracy, or rmse for numbers. Rows without a label are left out."""
    rows = data[data[target].notna()]
    answer = predict(folder, rows)
    if answer.probabilities is None:
        error = answer.values - rows[target].to_numpy(dtype=float)
        return {"score": float((error**2).mean() ** 0.5), "metric": "rmse"}
    return {"score": float((answer.labels.astype(str) == rows[target].astype(str).to_numpy()).mean()), "metric": "accuracy"}


def predicted(folder: Path, frame: Any) -> Any:
    """The table with a column `predicted_<target>`, and for classes one of each probability."""
    answer = predict(folder, frame)
    result = frame.copy()
    if answer.probabilities is None:
        result[f"predicted_{answer.target}"] = answer.values
        return result
    result[f"predicted_{answer.target}"] = answer.labels
    for i, name in enumerate(answer.classes):
        result[f"probability_{name}"] = answer.probabilities[:, i].round(6)
    return result
