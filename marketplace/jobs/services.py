"""What a user does here: ask for a reuse, cancel it, offer what came of it."""

import io
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

import specs
from marketplace.catalog import artifacts, quota
from marketplace.errors import Refused
from marketplace.jobs import labelled, methods, tasks
from marketplace.jobs import members as choosing
from marketplace.jobs.models import JobMember, ReuseJob, WrongState
from marketplace.jobs.offering import offer
from marketplace.matching.models import Match
from marketplace.matching.services import read_requirement

__all__ = ["cancel", "offer", "proposal", "request_again", "request_reuse"]


def request_reuse(
    *,
    owner: Any,
    match: Match | None = None,
    members: list[dict] | None = None,
    method: str = "auto",
    params: dict | None = None,
    target: str | None = None,
    data: UploadedFile | None = None,
    rows: UploadedFile | None = None,
    requirement: bytes | dict | None = None,
    chosen_on: Match | None = None,
) -> ReuseJob:
    """Queue a job and return it; the work begins once the row is committed.

    Members come from a match (its mixture, with the nearest singles as candidates) or by name; `chosen_on` is the match on whose page they were named. `data` is a CSV
    of labelled rows, `target` its column of labels (left out: what the members predict); `rows` a CSV of rows without labels.
    """
    if (match is None) == (members is None):
        raise Refused("bad-members", "A job needs a match or a list of members, one of the two.",
                      fields={"members": "Give match or members."})
    chosen_method = methods.find(method)
    params = methods.read_params(chosen_method, params or {})
    chosen = choosing.of_match(match, owner) if match is not None else choosing.named(members, owner)
    chosen = choosing.fit_for(chosen_method, chosen, were_named=members is not None)
    output = choosing.agree(chosen)
    space = chosen[0].version.space
    target = _check_target(target, output, data)
    if data is None and chosen_method.needs_labels:
        raise Refused("labels-needed", f"{chosen_method.address} learns from labelled rows; none came.",
                      hint="Add a CSV with some 20 labelled rows as `data`, or take ensemble/hedged.",
                      fields={"data": "Labelled rows are needed."})
    match = match or chosen_on
    if match is not None and match.space_id != space.pk:
        raise Refused("other-space", "Members must stand in the space of the match; these stand in another.", fields={"members": "Other space."})
    document = _requirement(match, requirement, space)
    if data is not None:
        _check_data(data, space, lambda file, frame: labelled.read(file, space=frame, output=output, target=target)[0], "data")
    if rows is not None:
        _check_data(rows, space, lambda file, frame: labelled.read_rows(file, space=frame), "rows")
    stored = {name: artifacts.put(content) for name, content in (("data", data), ("rows", rows), ("requirement", document)) if content is not None}
    try:
        return _queue(owner, match, chosen, stored, space=space, method=chosen_method.address, params=params, target=target)
    except BaseException:
        for item in stored.values():
            artifacts.drop(item)
        raise


def request_again(first: ReuseJob, *, owner: Any, data: UploadedFile | None = None, rows: UploadedFile | None = None, **settings: Any) -> ReuseJob:
    """Queue a job on the members and rows of another of one's own, with other settings; rows that come now stand in for those that came then."""
    if first.owner_id != owner.pk:
        raise Refused("not-yours", "Only its owner may run a job again: it brings their rows.", status=403)
    asked: dict[str, Any] = {"match": first.match} if first.match_id else {"members": [{"reference": m.version.reference, "weight": m.weight} for m in first.members.all()]}
    if not first.match_id and first.requirement_id:
        asked["requirement"] = artifacts.read(first.requirement_id)
    return request_reuse(owner=owner, data=data or _kept(first.data_id), rows=rows or _kept(first.rows_id), **asked, **settings)


def _kept(sha256: str | None) -> UploadedFile | None:
    if not sha256:
        return None
    content = artifacts.read(sha256)
    return UploadedFile(file=io.BytesIO(content), name="rows.csv", content_type="text/csv", size=len(content))


def proposal(match: Match, method: str, user: Any) -> dict[str, Any]:
    """{"members": [{"reference", "weight"}], "base", "output"}: what a job of this user on this match would take."""
    chosen = choosing.fit_for(methods.find(method), choosing.of_match(match, user), were_named=False)
    base = choosing.base_of(chosen, user)
    return {
        "members": [{"reference": member.version.reference, "weight": member.weight} for member in chosen],
        "base": base.reference if base else None,
        "output": choosing.agree(chosen),
    }


@transaction.atomic
def _queue(owner: Any, match: Match | None, chosen: list[choosing.Chosen], stored: dict[str, Any], **fields: Any) -> ReuseJob:
    """The job and its members in one transaction; the doorbell once it is committed."""
    _make_room(owner)
    quota.insist(owner, {item.sha256: item.size for item in stored.values()})  # what the job will make is counted once it is there
    files = {name: artifacts.row(item) for name, item in stored.items()}
    if match is not None:
        files["requirement"] = match.specification
    job = ReuseJob.objects.create(owner=owner, match=match, **files, **fields)
    JobMember.objects.bulk_create(
        JobMember(job=job, version=member.version, weight=member.weight, position=position)
        for position, member in enumerate(chosen)
    )
    transaction.on_commit(lambda: tasks.ring(job.pk))
    return job


def cancel(job: ReuseJob, by: Any) -> ReuseJob:
    """End a queued job, or ask a running one to stop."""
    if job.owner_id != by.pk and not by.is_staff:
        raise Refused("not-yours", "Only its owner may cancel a job.", status=403)
    try:
        job.cancel()
    except WrongState as error:
        raise Refused("job-is-over", str(error), hint="Look at the job: it has ended already.", status=409) from error
    return job


def _check_target(target: str | None, output: dict, data: Any) -> str:
    target = (target or "").strip()
    if target and data is None and target != output["target"]:
        raise Refused("wrong-target", f"These learnwares predict {output['target']!r}; got the target {target!r} without labelled rows.",
                      hint="Leave target out, or match with a filter on target.", fields={"target": "Not what the members predict."})
    return target or output["target"]


def _requirement(match: Match | None, requirement: Any, space: Any) -> bytes | None:
    if match is not None or requirement is None:
        return None
    document = read_requirement(requirement)
    if document.space.id != space.pk:
        raise Refused("other-space", "The requirement must stand in the space of the members; it stands in another.",
                      hint="Match with the requirement: it finds members of its space.", fields={"requirement": "Other space."})
    return document.to_bytes()


def _check_data(data: UploadedFile, space: Any, read: Callable[[Any, specs.Space], dict], field: str) -> None:
    if data.size > settings.MAX_DATA_BYTES:
        raise Refused("data-too-large", f"A table may have {settings.MAX_DATA_BYTES >> 20} MB; got {data.size >> 20} MB.",
                      hint="Take a sample: some hundred labelled rows are plenty, and some thousand without labels.", status=413, fields={field: "Too large."})
    data.seek(0)
    frame = specs.Space.from_json(space.document)
    try:
        columns = read(data, frame)
        frame.encode(columns)
        held = len(next(iter(columns.values())))
        if field == "data" and held < labelled.MIN_JUDGED:
            raise Refused("bad-data", f"At least {labelled.MIN_JUDGED} labelled rows are needed to compare methods; got {held}.",
                          hint="Give 20 to 100, or none: then the routed ensemble is taken.", fields={"data": "Too few rows."})
    except specs.SpecError as error:
        raise Refused(error.code, error.message, hint=error.hint, fields={field: error.message}) from error
    except Refused as error:
        if field == "rows" and "data" in (error.fields or {}):
            error.fields = {field: error.fields["data"]}
        raise
    data.seek(0)


def _make_room(owner: Any) -> None:
    # The lock on the owner's row makes count and insert one step; SQLite's IMMEDIATE does so anyway.
    get_user_model().objects.select_for_update().get(pk=owner.pk)
    count = ReuseJob.objects.open().filter(owner=owner).count()
    if count >= settings.JOBS_PER_USER:
        raise Refused("too-many-jobs", f"A user may have {settings.JOBS_PER_USER} open jobs; you have {count}.",
                      hint="Wait until one is done, or cancel one.", status=429)
    waiting = ReuseJob.objects.filter(status=ReuseJob.Status.QUEUED).count()
    if waiting >= settings.JOBS_QUEUED_MOST:
        raise Refused("queue-full", f"At most {settings.JOBS_QUEUED_MOST:,} jobs may wait; {waiting:,} do.", hint="Ask again in a minute.", status=503)
