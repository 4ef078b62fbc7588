"""Distillation: one small network in place of an ensemble, taught on rows without labels."""

from typing import Any

import numpy as np

from reuse import distil, evidence, recipes, registry
from reuse.errors import ReuseError
from reuse.formats import safetensors
from reuse.recipes.bench import Bench
from reuse.recipes.single import Single, fresh
from reuse.registry import Method


def fit(bench: Bench, method: Method, params: dict[str, Any], rows: np.ndarray | None) -> Single:
    plan = bench.plan
    teaching = registry.find(params["of"])
    if teaching.kind != "ensemble":
        raise ReuseError("wrong-parameter", f"of must name an ensemble method; got {teaching.address!r}.", "Take ensemble/hedged.")
    teacher = recipes.fit(bench, teaching, teaching.read_params({}), rows)
    done = distil.fit(bench.free_X, teacher.free(), len(plan.classes), bench.over, lambda row: bench.seen(method.address, row), **params)
    for words in done.notes:
        bench.note(words)
    manifest = fresh(plan, "distilled", "model.safetensors", "safetensors", list(plan.classes) if plan.classes else None, done.module.architecture)
    single = Single(bench, done.module, manifest, teacher.used, safetensors.predictor(done.module, bool(plan.classes), bench.note))
    lost: dict[str, Any] = {"teacher": teaching.address, "agreement": done.agreement, "held": done.held, "rows": len(bench.free_X), "parameters": sum(p.numel() for p in done.module.parameters())}
    if rows is not None and len(rows):
        every = np.arange(len(bench.y))
        lost |= {"teacher_score": evidence.score(teacher.predict(every), bench.y)[0], "score": evidence.score(single.predict(every), bench.y)[0]}
    if plan.rows is None:
        bench.note(f"The compact model was taught on {len(bench.free_X)} rows only; rows without labels (--rows) would make it answer more like the ensemble.")
    return Single(bench, done.module, manifest, teacher.used, single.answer, None, {"params": params, "distilled": lost, "learning": done.curve})
