"""Offer what a job made as a new learnware: a merged or tuned model as itself, an ensemble as a predictor."""

import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from django.core.files.uploadedfile import UploadedFile

import specs
from marketplace.catalog import artifacts
from marketplace.catalog import services as catalog
from marketplace.catalog.models import Version
from marketplace.errors import Refused
from marketplace.jobs.models import ReuseJob
from reuse import lineage
from reuse.manifest import LICENCES

MAX_POINTS = 2_000  # what the specification format holds


def offer(
    job: ReuseJob, by: Any, *, name: str, version: str = "1.0.0", title: str = "", licence: str = "", card: str = ""
) -> Version:
    """Submit the job's result as a learnware of `by`; it is checked like any other."""
    if job.owner_id != by.pk:
        raise Refused("not-yours", "Only its owner may offer the result of a job.", status=403)
    if job.status != ReuseJob.Status.DONE or job.result_id is None:
        raise Refused("no-result", f"Only the result of a job that is done can be offered; this one is {job.status}.",
                      hint="Wait until it is done.", status=409)
    licence = _licence(job, licence)
    with tempfile.TemporaryDirectory(prefix="offer-") as folder:
        bundle = Path(folder) / "predictor.zip"
        artifacts.copy(job.result_id, bundle)
        manifest, model = _manifest(job, bundle)
        manifest |= {
            "name": name,
            "version": version,
            "title": title or f"{manifest['output']['target']}: {job.method} of {job.members.count()} learnwares"[:160],
            "licence": licence,
            "card": card or _card(job),
        }
        specification = _specification(job, manifest).to_bytes()
        with model.open("rb") as file:
            upload = UploadedFile(file=file, name=manifest["model"]["file"], size=model.stat().st_size)
            return catalog.submit(owner=by, manifest=manifest, model=upload, specification=specification)


def _licence(job: ReuseJob, asked: str) -> str:
    """The licence of the result: what its parts require, or a wish that asks no less and goes with them all."""
    parts = [member["licence"] for member in job.lineage.get("members", [])]
    due = lineage.licence(parts)
    if due is None:
        raise Refused("licences-clash", f"No licence satisfies all members ({', '.join(sorted(set(parts)))}).",
                      hint="Reuse members whose licences agree; the job's lineage lists them.", status=409)
    if asked and asked not in LICENCES:
        raise Refused("unknown-licence", f"A licence must be one of {', '.join(LICENCES)}; got {asked!r}.",
                      fields={"licence": "Unknown licence."})
    if asked and lineage.licence([*parts, asked]) != asked:
        raise Refused("licence-not-allowed", f"The members' licences ask for {due} at least; got {asked}.",
                      hint=f"Offer it under {due}.", fields={"licence": f"Must be {due} or stricter."})
    return asked or due


def _manifest(job: ReuseJob, bundle: Path) -> tuple[dict, Path]:
    """(a manifest but for its names, the path of the model file)."""
    with zipfile.ZipFile(bundle) as archive:
        document = json.loads(archive.read("predictor.json"))
        shared = {
            "format": "moorage.learnware/1",
            "task": job.members.first().version.task,
            "parents": _parents(job),
            "evaluation": _evaluation(job),
            "scenario": [],
        }
        if document["kind"] == "single":
            member = document["members"][0]
            model = bundle.parent / Path(member["file"]).name
            with archive.open(member["file"]) as source, model.open("wb") as target:
                shutil.copyfileobj(source, target)
            own = {key: member["manifest"][key] for key in ("input", "output", "model", "base") if key in member["manifest"]}
            return {**shared, **own}, model
    model = {"format": "predictor", "file": bundle.name, "sha256": job.result_id, "size": bundle.stat().st_size, "architecture": None}
    return {
        **shared,
        "input": {"space": job.space_id, "takes": "columns"},
        "output": document["output"],
        "model": model,
        "base": None,
    }, bundle


def _parents(job: ReuseJob) -> list[str]:
    """References of those members that the result is made of; none, where it was trained from scratch."""
    return list(dict.fromkeys(member["reference"] for member in job.lineage.get("members", [])))


def _evaluation(job: ReuseJob) -> dict:
    chosen = [row for row in job.evidence.get("leaderboard", []) if row.get("chosen")]
    if not chosen:
        return {}
    told = {key: value for key, value in chosen[0].items() if key in ("method", "score", "low", "high")}
    return {"metric": job.evidence.get("metric"), "rows": job.evidence.get("rows"), **told}


def _specification(job: ReuseJob, manifest: dict) -> Any:
    semantic = {"task": manifest["task"], "target": manifest["output"]["target"], "name": manifest["name"], "description": manifest["title"]}
    space = specs.Space.from_json(job.space.document)
    if job.requirement_id:
        rkme = specs.Specification.from_bytes(artifacts.read(job.requirement_id)).rkme
    else:
        members = [member for member in job.members.all() if member.weight > 0] or list(job.members.all())
        rkmes = [specs.Specification.from_bytes(artifacts.read(member.version.specification_id)).rkme for member in members]
        rkme = mixed(rkmes, [member.weight or 1 / len(members) for member in members])
    return specs.Specification(space, rkme, semantic)


def mixed(rkmes: list[Any], weights: list[float]) -> specs.Rkme:
    """The mixture of specifications as one: all their points, each weight times its member's; the heaviest if too many."""
    points = np.concatenate([rkme.points for rkme in rkmes])
    masses = np.concatenate([weight * rkme.weights for rkme, weight in zip(rkmes, weights, strict=True)])
    kept = np.sort(np.argsort(-masses, kind="stable")[:MAX_POINTS])
    return specs.Rkme(
        points=points[kept],
        weights=masses[kept] * (masses.sum() / masses[kept].sum()),
        sigma=rkmes[0].sigma,
        n=sum(rkme.n for rkme in rkmes),
        space_id=rkmes[0].space_id,
        generator={"name": "mixture of members"},
    )


def _card(job: ReuseJob) -> str:
    parents = [f"- {reference}" for reference in _parents(job)] or ["- the owner's labelled rows alone"]
    return "\n".join([f"Made by a reuse job with the method `{job.lineage.get('method', job.method)}` from:", "", *parents, ""])
