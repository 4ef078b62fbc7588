"""What the page says of a job: attempts in words, lanes, tables of shades, the time left as coarse as the guess."""

from datetime import timedelta

import pytest
from django.utils import timezone

from marketplace.jobs import showing
from marketplace.jobs.models import ReuseJob
from marketplace.jobs.watch import Watch


def entry(number, reason, seconds=12, **more):
    began = timezone.now()
    return {"attempt": number, "started": began.isoformat(), "ended": (began + timedelta(seconds=seconds)).isoformat() if reason else None, "reason": reason, **more}


def test_a_job_that_went_well_says_nothing_of_its_attempt(job):
    job.attempt_log = [entry(1, "done")]
    assert showing.attempts(job) == []


def test_attempts_are_told_in_words(job):
    job.attempt_log = [entry(1, "worker lost"), entry(2, "worker lost", 300, from_epoch=40), entry(3, "")]
    assert showing.attempts(job) == [
        "Attempt 1: the worker was lost after 12 s.",
        "Attempt 2: it went on from the checkpoint at epoch 40, then the worker was lost after 5 min.",
        "Attempt 3: it began anew.",
    ]
    job.attempt_log = [entry(1, "diverged")]
    assert showing.attempts(job) == ["Attempt 1: it failed (diverged) after 12 s."]


def test_members_are_lanes_on_one_scale(job):
    job.lanes = [{"state": "answered", "rows": 50, "of": 50, "fetching_s": 1.0, "loading_s": 1.0, "answering_s": 2.0}, {"state": "loading", "fetching_s": 1.0}]
    first, second, third = showing.lanes(job)
    assert (first["seconds"], second["seconds"], third["seconds"]) == (4.0, 1.0, None)
    assert 'width="50.00"' in first["lane"] and 'width="25.00"' in second["lane"] and third["state"] == "waiting"


def test_stages_before_are_done_and_later_ones_are_not(job):
    job.stage = "comparing"
    assert [stage["state"] for stage in showing.stages(job)] == ["done", "done", "done", "now", "", "", "", ""]


@pytest.mark.parametrize(("seconds", "words"), [(2, "a few seconds left"), (18, "about 20 s left"), (70, "about a minute left"), (170, "about 3 min left"), (5390, "about 90 min left"), (5400, "about 2 hours left")])
def test_the_time_left_is_coarse(job, seconds, words):
    job.status, job.ends = "running", timezone.now() + timedelta(seconds=seconds)
    assert showing.left(job) == words
    job.cancel_asked = True
    assert showing.left(job) == ""


def test_a_confusion_matrix_is_shaded_by_its_lines():
    found = showing.confusion({"classes": ["a", "b"], "counts": [[3, 1], [0, 0]]})
    assert [[(cell["count"], cell["shade"], cell["right"]) for cell in row["cells"]] for row in found["rows"]] == [[(3, 7, True), (1, 2, False)], [(0, 0, False), (0, 0, True)]]


def test_members_that_differ_are_shaded_and_averaged(job):
    found = showing.pairwise({"members": ["alice/at-0@1.0.0", "gone"], "matrix": [[0, 0.5], [0.5, 0]], "kind": "share"}, job)
    assert [row["title"] for row in found["rows"]] == ["At-0", "gone"] and found["mean"] == 0.5 and found["rows"][0]["cells"][1]["shade"] == 4
    assert showing.pairwise(None, job) is None


def test_the_watch_writes_each_beginning_and_end_of_a_member(job):
    watch = Watch(job, job.claim())
    watch.moved(0, {"state": "fetching"})
    watch.moved(0, {"state": "fetched", "fetching_s": 0.1})
    watch.moved(7, {"state": "fetched"})
    job.refresh_from_db()
    assert [lane["state"] for lane in job.lanes] == ["fetched", "waiting", "waiting"] and job.lanes[0]["fetching_s"] == 0.1


def test_a_curve_that_comes_at_once_is_a_checkpoint_taken_up(job):
    watch = Watch(job, job.claim())
    watch.may_go_on({"finetune/full": 3})
    for epoch in range(4):
        watch.learned("finetune/full", {"epoch": epoch, "train": 1.0})
    job.refresh_from_db()
    assert job.attempt_log[-1]["from_epoch"] == 3


def test_a_curve_that_takes_its_time_is_trained_anew(job, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("marketplace.jobs.watch.time.monotonic", lambda: now[0])
    watch = Watch(job, job.claim())
    watch.may_go_on({"finetune/full": 3})
    for epoch in range(4):
        now[0] += 2.0
        watch.learned("finetune/full", {"epoch": epoch, "train": 1.0})
    job.refresh_from_db()
    assert "from_epoch" not in job.attempt_log[-1]


def test_what_an_attempt_left_half_done_is_read_from_the_headers(tmp_path):
    import json

    import torch
    from safetensors.torch import save_file

    from marketplace.jobs import worker

    save_file({"now:w": torch.zeros(2)}, tmp_path / "finetune-lp_ft.safetensors", metadata={"state": json.dumps({"curve": [{}] * 7})})
    (tmp_path / "finetune-full.safetensors").write_bytes(b"half")
    assert worker._left_half_done(tmp_path) == {"finetune/lp_ft": 7}


def test_the_list_is_narrowed_by_state_target_and_words(job, bob):
    from marketplace.jobs import listing

    other = ReuseJob.objects.create(owner=bob, space=job.space, method="auto", target="price", status="done")
    def ids(**asked):
        return set(listing.narrowed(ReuseJob.objects.all(), listing.read(asked)).values_list("pk", flat=True))

    assert ids() == {job.pk, other.pk} and ids(state="done") == {other.pk} and ids(target="kind") == {job.pk}
    assert ids(q="mean") == {job.pk} and ids(q=str(other.pk)[:8]) == {other.pk} and ids(q="mean price") == set()
    assert ids(state="no such") == {job.pk, other.pk} and ids(q="\0") == {job.pk, other.pk}
    assert listing.choices(ReuseJob.objects.all()) == {"state": [("done", 1), ("queued", 1)], "target": [("kind", 1), ("price", 1)]}
    other.evidence = {"metric": "rmse", "leaderboard": [{"chosen": True, "score": 2.0, "low": 1.0, "high": 3.0}], "nested": None}
    assert listing.score(other) == {"metric": "rmse", "score": 2.0, "low": 1.0, "high": 3.0} and listing.score(job) is None
