"""The word that a job leaves for its owner when it ends."""

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from marketplace.accounts import notices
from marketplace.jobs.models import ReuseJob


def tell(job: ReuseJob) -> None:
    """Say that a job is done or has failed; of one that its owner cancelled there is nothing to say."""
    named = {"target": job.target, "method": job.method}
    if job.status == ReuseJob.Status.DONE:
        done = gettext_lazy("The job for {target} ({method}) is done: its predictor is ready.") if job.target else gettext_lazy("The job ({method}) is done: its predictor is ready.")
        notices.tell(job.owner, "job-done", format_lazy(done, **named), job.get_absolute_url())
    elif job.status == ReuseJob.Status.FAILED:
        failed = gettext_lazy("The job for {target} ({method}) failed: {why}") if job.target else gettext_lazy("The job ({method}) failed: {why}")
        notices.tell(job.owner, "job-failed", format_lazy(failed, **named, why=(job.error or {}).get("message", "")), job.get_absolute_url())
