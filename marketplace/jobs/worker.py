"""The heavy work of a job: the only file of this app that loads torch (through reuse.engine).

Everything happens in a scratch folder of this attempt; the result becomes visible in one
transaction, and only while the fencing token is ours. So a job that is run twice has one effect.
"""

import logging
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import transaction

import specs
from marketplace.catalog import artifacts
from marketplace.errors import Refused
from marketplace.jobs import endings, labelled
from marketplace.jobs import members as choosing
from marketplace.jobs.models import ReuseJob, WrongState
from marketplace.jobs.watch import Watch
from reuse import predictor, sandbox
from reuse.engine import Labelled, Member, Outcome, Plan
from reuse.engine import run as run_plan
from reuse.errors import ReuseError
from reuse.manifest import Manifest
from reuse.weights import statistics
from storage import ArtifactDamaged, ArtifactMissing

log = logging.getLogger(__name__)


def run(job_id: UUID) -> None:
    """Do a job that waits, once. One that is over, gone, or runs elsewhere is left alone."""
    job = ReuseJob.objects.whole().filter(pk=job_id).first()
    if job is None:
        return
    try:
        token = job.claim()
    except WrongState:
        return
    log.info("job %s: attempt %s of %s", job.pk, job.attempts, job.method)
    with Watch(job, token) as watch:
        try:
            _attempt(job, token, watch)
        except WrongState:
            log.warning("job %s was lost to another worker; this attempt leaves nothing", job.pk)
            return
        except Exception as error:  # the edge of the process: whatever it was, the row must say so
            _end_badly(job, token, watch, error)
    log.info("job %s: %s", job.pk, job.status)


def warm() -> None:
    """Have torch loaded (importing this file did) and the sandbox's zygote running; sweep old scratch folders."""
    sweep_scratch()
    sandbox.shared().warm()


def _attempt(job: ReuseJob, token: str, watch: Watch) -> None:
    with _scratch(job, token) as folder:
        watch.report("fetching", 0.0, f"Fetching {job.members.count()} learnwares")
        plan = _plan(job, folder)
        with _checkpoints(job) as kept:
            outcome = run_plan(plan, progress=watch.report, cancelled=watch.over, workdir=folder / "work", seen=watch.learned, checkpoints=kept)
        if watch.over():
            raise ReuseError("cancelled", "The job was stopped.", "")
        watch.report("storing", 0.99, "Storing the predictor")
        _store(job, token, outcome, folder / "result.zip")


def _plan(job: ReuseJob, folder: Path) -> Plan:
    chosen = [choosing.Chosen(member.version, member.weight) for member in job.members.all()]
    space, output = specs.Space.from_json(job.space.document), choosing.agree(chosen)
    kind, _, method = job.method.partition("/")
    base = choosing.base_of(chosen, job.owner)
    return Plan(
        members=[_member(str(position), member, folder) for position, member in enumerate(chosen)],
        base=_member("base", choosing.Chosen(base, 0.0), folder) if base else None,
        kind=kind,
        method=method or kind,
        params=job.params,
        space=space,
        output=output,
        requirement=_rkme(job.requirement_id) if job.requirement_id else None,
        data=_labelled(job, space, output),
        rows=_rows(job, space),
        seed=0,
        budget_s=settings.JOB_BUDGET_S,
    )


def _member(place: str, member: choosing.Chosen, folder: Path) -> Member:
    version = member.version
    manifest = Manifest.read(version.manifest)
    path = folder / "members" / place / Path(version.manifest["model"]["file"]).name
    path.parent.mkdir(parents=True)
    artifacts.copy(version.model_id, path)
    published = None
    if version.statistics_id:
        published = path.parent / statistics.FILE
        artifacts.copy(version.statistics_id, published)
    return Member(
        reference=version.reference,
        path=path,
        manifest=manifest,
        rkme=_rkme(version.specification_id),
        weight=member.weight,
        licence=version.licence,
        statistics=published,
    )


def _rkme(sha256: str) -> Any:
    return specs.Specification.from_bytes(artifacts.read(sha256)).rkme


def _labelled(job: ReuseJob, space: Any, output: dict) -> Labelled | None:
    if not job.data_id:
        return None
    with artifacts.open(job.data_id) as file:
        columns, target = labelled.read(file, space=space, output=output, target=job.target)
    return Labelled(columns=columns, target=target)


def _rows(job: ReuseJob, space: Any) -> dict[str, np.ndarray] | None:
    if not job.rows_id:
        return None
    with artifacts.open(job.rows_id) as file:
        return labelled.read_rows(file, space=space)


def _store(job: ReuseJob, token: str, outcome: Outcome, path: Path) -> None:
    predictor.pack(outcome.folder, path)
    with path.open("rb") as file:
        stored = artifacts.put(file)
    with transaction.atomic():  # the effect and the state: both or neither
        job.finish(token, result=artifacts.row(stored), evidence=plain(outcome.evidence), lineage=plain(outcome.lineage))
        endings.tell(job)


def _end_badly(job: ReuseJob, token: str, watch: Watch, error: Exception) -> None:
    try:
        if watch.why == "cancelled":
            job.stop(token)
        elif watch.why != "lost":
            job.fail(token, _said(job, watch, error))
            endings.tell(job)
    except WrongState:
        log.warning("job %s was lost to another worker while it failed", job.pk)


def _said(job: ReuseJob, watch: Watch, error: Exception) -> dict:
    """The error as the user reads it; what nobody expected is logged whole and not shown."""
    if watch.why == "out-of-time":
        return {"code": "out-of-time", "message": f"A job may take {settings.JOB_LIMIT_S} s; this one was stopped.",
                "hint": "Take fewer members, fewer rows, or a simpler method."}
    if isinstance(error, ReuseError | specs.SpecError | Refused):
        return {"code": error.code, "message": error.message, "hint": error.hint or ""}
    if isinstance(error, ArtifactMissing | ArtifactDamaged):
        log.error("job %s: %s", job.pk, error)
        return {"code": "artifact-damaged", "message": "The file of a member is missing or damaged in the store.",
                "hint": "Search again and leave that learnware out; the operators can see which file it is."}
    log.exception("job %s failed unexpectedly", job.pk, exc_info=error)
    return {"code": "unexpected", "message": "The job failed for a reason that nobody foresaw; it has been logged.",
            "hint": f"Try another method; if it stays, report job {job.pk}."}


def plain(value: Any) -> Any:
    """The value as JSON can hold it: numpy becomes Python, what is not finite becomes null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


@contextmanager
def _scratch(job: ReuseJob, token: str) -> Iterator[Path]:
    sweep_scratch()
    folder = settings.HOME / "scratch" / f"{job.pk}.{token}"
    (folder / "work").mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _checkpoints(job: ReuseJob) -> Iterator[Path]:
    """A folder that outlives an attempt whose worker dies, so that the next one trains on from there; gone when the attempt ends by itself."""
    folder = settings.HOME / "checkpoints" / str(job.pk)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_scratch() -> None:
    """Remove the folders of attempts that a killed worker left behind, and checkpoints of jobs that are over."""
    for folder in (settings.HOME / "checkpoints").glob("*"):
        if not ReuseJob.objects.open().filter(pk=folder.name).exists():
            shutil.rmtree(folder, ignore_errors=True)
    for folder in (settings.HOME / "scratch").glob("*.*"):
        job_id, _, token = folder.name.partition(".")
        if not ReuseJob.objects.filter(pk=job_id, token=token, status=ReuseJob.Status.RUNNING).exists():
            shutil.rmtree(folder, ignore_errors=True)
