"""Asking for a reuse: what is taken, what is refused at the door, and that a refusal leaves nothing."""

import io
import json

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from marketplace.catalog.models import Artifact, Version
from marketplace.errors import Refused
from marketplace.jobs.models import JobMember, ReuseJob, ReuseMethod
from marketplace.jobs.services import request_reuse
from marketplace.matching.services import match
from tests.marketplace.rows import homes, offered, requirement, table

PRICE = {"kind": "value", "target": "price", "unit": "EUR"}


@pytest.fixture
def found(bob, space, members, rng):
    parts = [table(rng, shift) for shift in (0, 6)]
    both = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return match(user=bob, specification=requirement(space, both), filters={})


def csv(rng, n=20, **columns):
    frame = table(rng, n=n) | {"kind": rng.choice(["flat", "house"], size=n)} | columns
    lines = [",".join(frame)] + [",".join(map(str, row)) for row in zip(*frame.values(), strict=True)]
    return SimpleUploadedFile("d.csv", "\n".join(lines).encode())


def test_a_match_brings_its_mixture_and_the_nearest_singles(bob, found, rng, doorbells, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        job = request_reuse(owner=bob, match=found, data=csv(rng))
    weights = {member.version.reference: member.weight for member in job.members.all()}
    assert set(weights) == {"alice/at-0@1.0.0", "alice/at-3@1.0.0", "alice/at-6@1.0.0"}
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["alice/at-0@1.0.0"] > 0.3 and weights["alice/at-6@1.0.0"] > 0.3
    assert (job.status, job.method, job.target) == ("queued", "auto", "kind")
    assert job.requirement == found.specification
    assert job.data.size
    assert doorbells == [str(job.pk)]


def test_the_doorbell_is_rung_only_after_the_commit(bob, found, doorbells, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        request_reuse(owner=bob, match=found)
    assert doorbells == []
    assert len(callbacks) == 1


def test_named_members_get_the_weights_that_were_given(bob, members, doorbells):
    entries = [{"reference": "alice/at-0@1.0.0", "weight": 1}, {"reference": "alice/at-6", "weight": 3}]
    job = request_reuse(owner=bob, members=entries, method="ensemble/mixture-weighted")
    assert [(m.version.reference, m.weight) for m in job.members.all()] == [("alice/at-0@1.0.0", 0.25), ("alice/at-6@1.0.0", 0.75)]
    assert job.requirement is None


def test_a_requirement_may_come_with_named_members(bob, members, space, rng, doorbells):
    document = requirement(space, table(rng))
    job = request_reuse(owner=bob, members=[{"reference": "alice/at-0"}], requirement=json.loads(document))
    assert job.requirement.size == len(document)


def test_what_was_withdrawn_since_the_match_is_left_out(bob, found, members, doorbells):
    Version.objects.filter(pk=members[0].pk).update(status=Version.Status.WITHDRAWN, is_latest=False)
    job = request_reuse(owner=bob, match=found)
    weights = {m.version.reference: m.weight for m in job.members.all()}
    assert "alice/at-0@1.0.0" not in weights
    assert sum(weights.values()) == pytest.approx(1)


def test_when_nothing_is_left_the_match_is_refused(bob, found):
    Version.objects.update(status=Version.Status.WITHDRAWN, is_latest=False)
    with pytest.raises(Refused) as refused:
        request_reuse(owner=bob, match=found)
    assert refused.value.code == "nothing-to-reuse"


def test_an_offered_predictor_is_no_member(bob, alice, space, rng, members, doorbells):
    offered(alice, "together", space, table(rng), format="predictor")
    with pytest.raises(Refused, match="predictor of several"):
        request_reuse(owner=bob, members=[{"reference": "alice/together@1.0.0"}])
    row = match(user=bob, specification=requirement(space, table(rng)), filters={})
    assert "alice/together@1.0.0" in {single["reference"] for single in row.result["singles"]}
    assert "alice/together@1.0.0" not in {m.version.reference for m in request_reuse(owner=bob, match=row).members.all()}


def test_a_merge_takes_the_family_of_the_heaviest(bob, alice, space, rng, doorbells):
    base = offered(alice, "base", space, table(rng), merge_family="f")
    tuned = []
    for name, shift in (("tuned-a", 0), ("tuned-b", 6)):
        version = offered(alice, name, space, table(rng, shift), merge_family="f")
        manifest = version.manifest | {"base": {"learnware": base.reference}}
        Version.objects.filter(pk=version.pk).update(base=base, manifest=manifest)
        tuned.append(version)
    offered(alice, "stranger", space, table(rng, 3), merge_family="f")
    parts = [table(rng, shift) for shift in (0, 3, 6)]
    wide = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    row = match(user=bob, specification=requirement(space, wide), filters={})
    job = request_reuse(owner=bob, match=row, method="merge/average")
    assert {m.version.reference for m in job.members.all()} == {"alice/base@1.0.0", "alice/tuned-a@1.0.0", "alice/tuned-b@1.0.0"}
    with pytest.raises(Refused, match="one base"):
        request_reuse(owner=bob, members=[{"reference": "alice/tuned-a"}, {"reference": "alice/stranger"}], method="merge/average")


def test_labels_may_stand_in_a_column_of_another_name(bob, found, rng, doorbells):
    data = csv(rng, kind=["x"] * 20, Art=["flat", "house"] * 10)
    assert request_reuse(owner=bob, match=found, target="Art", data=data).target == "Art"


@pytest.fixture
def wishes(bob, alice, space, members, found, rng):
    offered(alice, "price", space, table(rng), task="regression", target="price", output=PRICE)
    offered(alice, "checking", space, table(rng), status=Version.Status.CHECKING)
    other = homes().from_table(table(rng), name="elsewhere")
    offered(alice, "elsewhere", other, table(rng))
    a = {"reference": "alice/at-0@1.0.0"}
    return {
        "neither": {},
        "both": {"match": found, "members": [a]},
        "no members": {"members": []},
        "unknown": {"members": [{"reference": "alice/none@1.0.0"}]},
        "not usable": {"members": [{"reference": "alice/checking@1.0.0"}]},
        "twice": {"members": [a, a]},
        "not a reference": {"members": [{"reference": "%"}]},
        "no object": {"members": [3]},
        "strange key": {"members": [a | {"path": "/etc/passwd"}]},
        "negative": {"members": [a | {"weight": -1}]},
        "not finite": {"members": [a | {"weight": float("nan")}]},
        "a truth": {"members": [a | {"weight": True}]},
        "nothing weighs": {"members": [a | {"weight": 0}]},
        "other question": {"members": [a, {"reference": "alice/price@1.0.0"}]},
        "other space": {"members": [a, {"reference": "alice/elsewhere@1.0.0"}]},
        "no method": {"match": found, "method": "merge/magic"},
        "no parameter": {"match": found, "params": {"magic": 1}},
        "wrong type": {"match": found, "params": {"repeats": "many"}},
        "params no object": {"match": found, "params": [1]},
        "no labels": {"match": found, "method": "scratch"},
        "nothing to tune": {"match": found, "method": "merge/average"},
        "wrong target": {"match": found, "target": "price"},
        "no such column": {"match": found, "target": "price", "data": csv(rng)},
        "wrong table": {"match": found, "data": SimpleUploadedFile("d.csv", b"a,b\n1,2\n")},
        "other requirement": {"members": [a], "requirement": json.loads(requirement(other, table(rng)))},
        "no requirement": {"members": [a], "requirement": {"format": "x"}},
    }


@pytest.mark.parametrize("wish", [
    "neither", "both", "no members", "unknown", "not usable", "twice", "not a reference", "no object", "strange key", "negative", "not finite",
    "a truth", "nothing weighs", "other question", "other space", "no method", "no parameter", "wrong type", "params no object", "no labels",
    "nothing to tune", "wrong target", "no such column", "wrong table", "other requirement", "no requirement",
])
def test_a_wish_that_can_not_be_is_refused_and_leaves_nothing(bob, wishes, wish):
    before = Artifact.objects.count()
    with pytest.raises(Refused) as refused:
        request_reuse(owner=bob, **wishes[wish])
    assert refused.value.message
    assert (ReuseJob.objects.count(), JobMember.objects.count(), Artifact.objects.count()) == (0, 0, before)


def test_too_large_a_table_is_refused_before_it_is_read(bob, found, rng, settings):
    settings.MAX_DATA_BYTES = 100
    with pytest.raises(Refused) as refused:
        request_reuse(owner=bob, match=found, data=csv(rng, n=100))
    assert refused.value.status == 413


def test_open_jobs_of_a_user_are_capped_and_nothing_is_kept_of_one_too_many(bob, found, rng, settings, doorbells):
    settings.JOBS_PER_USER = 2
    for _ in range(2):
        request_reuse(owner=bob, match=found)
    before = Artifact.objects.count()
    with pytest.raises(Refused) as refused:
        request_reuse(owner=bob, match=found, data=csv(rng))
    assert refused.value.status == 429
    assert Artifact.objects.count() == before
    ReuseJob.objects.first().cancel()
    request_reuse(owner=bob, match=found)


def test_methods_that_a_worker_announced_are_the_ones_on_offer(bob, found, doorbells):
    ReuseMethod.objects.create(kind="ensemble", name="future", title="From a newer worker", params={"depth": {"type": "int", "default": 2}})
    assert request_reuse(owner=bob, match=found, method="ensemble/future", params={"depth": 3}).method == "ensemble/future"
    with pytest.raises(Refused, match="no parameter"):
        request_reuse(owner=bob, match=found, method="ensemble/future", params={"width": 3})
    with pytest.raises(Refused, match="must be one that a worker offers"):
        request_reuse(owner=bob, match=found, method="ensemble/mean")


def test_announcing_twice_is_announcing_once(db):
    from marketplace.jobs import methods
    from reuse import registry

    methods.announce()
    methods.announce()
    assert {method.address for method in ReuseMethod.objects.all()} == {method.address for method in registry.every()}


def test_an_empty_file_is_no_table(bob, found):
    with pytest.raises(Refused, match="empty"):
        request_reuse(owner=bob, match=found, data=SimpleUploadedFile("d.csv", io.BytesIO().getvalue()))


def test_rows_without_labels_go_along(bob, found, rng, doorbells):
    job = request_reuse(owner=bob, match=found, method="distil", rows=csv(rng))
    assert job.rows.size and job.data is None


def test_rows_that_do_not_fit_the_space_are_refused_by_name(bob, found, doorbells):
    with pytest.raises(Refused, match="missing: 'rooms'") as refused:
        request_reuse(owner=bob, match=found, rows=SimpleUploadedFile("r.csv", b"area,town\n50,Bonn\n60,Kiel\n"))
    assert "rows" in refused.value.fields and not ReuseJob.objects.exists()


def test_three_labelled_rows_are_too_few_to_compare_methods_by(bob, found, rng, doorbells):
    with pytest.raises(Refused, match="At least 4 labelled rows"):
        request_reuse(owner=bob, match=found, data=csv(rng, n=3, kind=np.array(["flat", "house", "flat"])))
    assert not ReuseJob.objects.exists()


def test_a_proposal_names_what_a_job_would_take(bob, found, client):
    answer = client.get(f"/api/v1/matches/{found.pk}/members").json()
    assert {m["reference"] for m in answer["members"]} == {"alice/at-0@1.0.0", "alice/at-3@1.0.0", "alice/at-6@1.0.0"}
    assert answer["output"]["target"] == "kind" and answer["base"] is None
