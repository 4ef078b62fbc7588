"""The word that a job leaves for its owner when it ends."""

from marketplace.accounts import notices
from marketplace.jobs.models import ReuseJob


def tell(job: ReuseJob) -> None:
    """Say that a job is done or has failed; of one that its owner cancelled there is nothing to say."""
    what = f"The job for {job.target}" if job.target else "The job"
    if job.status == ReuseJob.Status.DONE:
        notices.tell(job.owner, "job-done", f"{what} ({job.method}) is done: its predictor is ready.", job.get_absolute_url())
    elif job.status == ReuseJob.Status.FAILED:
        notices.tell(job.owner, "job-failed", f"{what} ({job.method}) failed: {(job.error or {}).get('message', '')}", job.get_absolute_url())
