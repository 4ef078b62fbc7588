"""Stands in for packages that `learnware` imports at start and that specifications of tables never call (5.9 GB of them)."""

import sys
import types

NAMES = ("trl", "peft", "datasets", "lm_eval", "lm_eval.models", "lm_eval.models.huggingface", "lm_eval.tasks", "lm_eval.evaluator", "transformers", "langdetect", "accelerate")


class Absent(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def stub():
    for missing in NAMES:
        sys.modules[missing] = Absent(missing)
