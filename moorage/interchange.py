"""Writing a learnware as a zip of the `learnware` package: its yaml, its words, its statistical specification and a model it can load."""

import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import specs
from moorage.errors import Refused
from specs.interchange import to_stat_json

WRAPPERS = {
    ".onnx": ("onnxruntime", '''session = onnxruntime.InferenceSession(os.path.join(folder, "{file}"))
        name = session.get_inputs()[0].name
        self.run = lambda X: numpy.asarray(session.run(None, {{name: X.astype(numpy.float32)}})[0])'''),
    ".skops": ("skops.io", '''path = os.path.join(folder, "{file}")
        model = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
        self.run = lambda X: numpy.asarray(model.predict(X))'''),
}
INIT = '''"""Written by moorage export."""

import os

import numpy
import {package}
from learnware.model import BaseModel


class Model(BaseModel):
    def __init__(self):
        super().__init__(input_shape=({d},), output_shape=({outputs},))
        folder = os.path.dirname(os.path.abspath(__file__))
        {body}

    def fit(self, X, y):
        raise NotImplementedError

    def predict(self, X):
        return self.run(numpy.asarray(X, dtype=float)).reshape(len(X), -1)

    def finetune(self, X, y):
        raise NotImplementedError
'''
YAML = """model:
  class_name: Model
  module_path: __init__.py
  kwargs: {}
stat_specifications:
  - module_path: learnware.specification
    class_name: RKMETableSpecification
    file_name: stat.json
    kwargs: {}
semantic_specification:
  file_name: semantic_specification.json
"""


def to_zip(specification: specs.Specification, model: Path | None = None, *, licence: str = "Others", classes: int = 0) -> bytes:
    """The zip, byte for byte the same for the same input. `model`: an ONNX or skops file that takes the space's raw numbers; without one the zip
    holds the specification alone. Raises SpecError for a space that does not export without loss, Refused for another kind of model."""
    stat = to_stat_json(specification)
    words = semantic(specification, licence, classes)
    files: dict[str, bytes] = {"learnware.yaml": YAML.encode(), "stat.json": stat, "semantic_specification.json": json.dumps(words).encode()}
    package, body, needs = "sys", "self.run = None", []
    if model is not None:
        if model.suffix not in WRAPPERS:
            raise Refused(f"Only ONNX and skops models can be wrapped for the learnware package; got {model.name}.", code="wrong-model", hint="Export the model to ONNX first.")
        package, template = WRAPPERS[model.suffix]
        body = template.format(file=f"model{model.suffix}")
        files[f"model{model.suffix}"] = model.read_bytes()
        needs = [package.split(".")[0]]
    files["__init__.py"] = INIT.format(package=package, d=specification.space.d, outputs=max(1, classes), body=body).encode()
    files["requirements.txt"] = "\n".join(["numpy", *needs, ""]).encode()
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), files[name], zipfile.ZIP_DEFLATED)
    return out.getvalue()


def semantic(specification: specs.Specification, licence: str, classes: int) -> dict[str, Any]:
    """Their words: values of classes and tags are lists, names a text."""
    said = specification.semantic
    task = {"classification": "Classification", "regression": "Regression"}.get(said.get("task"), "Others")
    known = {"MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "GPL-2.0", "GPL-3.0", "LGPL-2.1", "LGPL-3.0", "AGPL-3.0", "CC-BY-4.0", "CC-BY-SA-4.0"}
    names = [column.name for column in specification.space.columns]
    words = {
        "Data": {"Type": "Class", "Values": ["Table"]}, "Task": {"Type": "Class", "Values": [task]}, "Model": {"Type": "Optional", "Values": ["Others"]},
        "Library": {"Type": "Class", "Values": ["Others"]}, "Scenario": {"Type": "Tag", "Values": ["Others"]},
        "License": {"Type": "Class", "Values": [licence if licence in known else "Others"]},
        "Name": {"Type": "String", "Values": said.get("name") or "unnamed"}, "Description": {"Type": "String", "Values": said.get("description") or ""},
        "Input": {"Dimension": len(names), "Description": {str(i): name for i, name in enumerate(names)}},
    }
    if task != "Others":
        words["Output"] = {"Dimension": max(1, classes), "Description": {"0": said.get("target") or "output"}}
    return words
