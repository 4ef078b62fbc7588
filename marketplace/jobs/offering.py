"""Offer what a job made as a new learnware: a merged or tuned model as itself, an ensemble as a predictor."""

import json
import tempfile
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import UploadedFile

from marketplace.catalog import artifacts
from marketplace.catalog import services as catalog
from marketplace.catalog.models import Version
from marketplace.errors import Refused
from marketplace.jobs.models import ReuseJob
from reuse import lineage, offering, predictor
from reuse.manifest import LICENCES


def offer(
    job: ReuseJob, by: Any, *, name: str, version: str = "1.0.0", title: str = "", licence: str = "", card: str = "", owner: str = "", visibility: str = "",
) -> Version:
    """Submit the job's result as a learnware of `by`, or of the organisation `owner` that they write for; it is checked like any other."""
    if job.owner_id != by.pk:
        raise Refused("not-yours", "Only its owner may offer the result of a job.", status=403)
    if job.status != ReuseJob.Status.DONE or job.result_id is None:
        raise Refused("no-result", f"Only the result of a job that is done can be offered; this one is {job.status}.",
                      hint="Wait until it is done.", status=409)
    licence = _licence(job, licence)
    with tempfile.TemporaryDirectory(prefix="offer-") as scratch:
        folder = Path(scratch)
        artifacts.copy(job.result_id, folder / "result.zip")
        predictor.unpack(folder / "result.zip", folder / "predictor")
        offering.learnware(folder / "predictor", folder / "offer", name=name, licence=licence, version=version, title=title, card=card)
        manifest = json.loads((folder / "offer" / "learnware.json").read_text())
        model = folder / "offer" / manifest["model"]["file"]
        with model.open("rb") as file:
            upload = UploadedFile(file=file, name=model.name, size=model.stat().st_size)
            made = catalog.submit(owner=by, manifest=manifest | ({"owner": owner} if owner else {}), model=upload, visibility=visibility,
                                  specification=(folder / "offer" / offering.SPECIFICATION).read_bytes())
    job.offered.add(made)
    return made


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
