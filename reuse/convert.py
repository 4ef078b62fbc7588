"""On the owner's own machine: from a pickle or a state dict to a format that carries no code."""

import shutil
import struct
import tempfile
from pathlib import Path
from typing import Any

from reuse import architectures, formats
from reuse.errors import ReuseError

ZIP = b"PK"


def runs_code(path: Path) -> bool:
    """Whether opening the file would run what its author put in: pickles and joblib do, torch's weights-only zip does not."""
    try:
        head = path.open("rb").read(8)
    except OSError:
        raise ReuseError("no-file", f"{path} can not be read.", "Check the path.") from None
    return not head.startswith(ZIP) and not carries_no_code(path)


def convert_file(path: Path, out: Path) -> str:
    """Convert and return what it became. `.skops` from a pickled scikit-learn estimator, `.safetensors` from a torch state dict,
    `.json` from a pickled XGBoost model or its binary JSON, `.txt` from a pickled LightGBM model.

    The caller has made sure that the file is trusted where `runs_code` says so.
    """
    if out.suffix == ".safetensors":
        return _state_dict(path, out)
    if out.suffix == ".skops":
        return _estimator(path, out)
    if out.suffix in (".json", ".txt"):
        return _trees(path, out, "xgboost" if out.suffix == ".json" else "lightgbm")
    raise ReuseError("wrong-suffix", f"The result must end in .skops, .safetensors, .json (XGBoost) or .txt (LightGBM); got {out.name!r}.", "moorage convert model.joblib -o model.skops")


def _opened(path: Path) -> Any:
    import pickle

    import joblib

    try:
        return joblib.load(path)
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, ImportError, AttributeError, IndexError) as error:
        raise ReuseError("not-a-pickle", f"{path} can not be opened as a pickle; {type(error).__name__}: {str(error)[:200]}",
                         "Install the package versions that it was saved with.") from None


def _trees(path: Path, out: Path, library: str) -> str:
    """A model of XGBoost or LightGBM in the text that its own library writes."""
    if carries_no_code(path):
        if formats.identify(path) != library:
            raise ReuseError("wrong-suffix", f"{path} is {formats.identify(path)}; it can not become {out.name}.", "Name the result .json for XGBoost, .txt for LightGBM.")
        model: Any = path
    else:
        model = _opened(path)
        if type(model).__module__.split(".")[0] != library:
            raise ReuseError("not-an-estimator", f"{path} holds a {type(model).__name__}, not a model of {library}.", "Save the fitted model itself, not a pipeline around it.")
    with tempfile.TemporaryDirectory() as folder:
        part = formats.member(library).export(model, Path(folder))
        shutil.copyfile(Path(folder) / part["file"], out)
    return f"{library} model, {out.stat().st_size:,} bytes"


def carries_no_code(path: Path) -> bool:
    """Whether a file is a model of XGBoost or LightGBM as text or binary JSON: that is read, never run."""
    with path.open("rb") as file:
        head = file.read(512)
    return any(formats.member(library).detect(head, path) for library in formats.BOOSTED)


def _estimator(path: Path, out: Path) -> str:
    model = _opened(path)
    if not hasattr(model, "predict") or not hasattr(model, "get_params"):
        raise ReuseError("not-an-estimator", f"{path} holds a {type(model).__name__}, not a scikit-learn estimator.", "Save the fitted estimator or pipeline itself.")
    with tempfile.TemporaryDirectory() as folder:
        part = formats.member("skops").export(model, Path(folder))
        shutil.copyfile(Path(folder) / part["file"], out)
    return f"{type(model).__name__} as skops, {out.stat().st_size:,} bytes"


def _state_dict(path: Path, out: Path) -> str:
    import pickle

    import torch
    from safetensors.torch import save_file

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, struct.error) as error:
        raise ReuseError("not-weights", f"{path} holds more than weights, or is none: {(str(error).splitlines() or [type(error).__name__])[0][:200]}",
                         "Save only the weights: torch.save(model.state_dict(), path)") from None
    if isinstance(state, dict) and "state_dict" in state and isinstance(state["state_dict"], dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ReuseError("not-weights", f"{path} is no state dict of tensors.", "torch.save(model.state_dict(), path)")
    save_file({name: value.contiguous().clone() for name, value in state.items()}, out)
    guess = infer(state)
    return f"{len(state)} tensors as safetensors" + (f'; architecture for learnware.json: {guess}' if guess else "; name its architecture in learnware.json")


def infer(state: dict[str, Any]) -> dict[str, Any] | None:
    """The registered architecture that these tensor names and shapes belong to, where it is a linear model or an mlp."""
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    head = shapes.get("head.weight")
    if head is None or len(head) != 2:
        return None
    hidden = [shape for name, shape in sorted(shapes.items()) if name.startswith("body.") and name.endswith(".weight") and len(shape) == 2]
    if not hidden and set(shapes) == {"head.weight", "head.bias"}:
        return {"name": "linear", "config": {"inputs": head[1], "outputs": head[0]}}
    for norm in (False, True):
        config = {"inputs": hidden[0][1], "hidden": [shape[0] for shape in hidden], "outputs": head[0], "norm": norm} if hidden else None
        if config and {k: tuple(v.shape) for k, v in architectures.build("mlp", config).state_dict().items()} == shapes:
            return {"name": "mlp", "config": config}
    return None
