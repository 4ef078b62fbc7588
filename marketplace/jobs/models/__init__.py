"""Jobs: one predictor made of several models. The row is the job; the broker is a doorbell.

`methods` what workers offer; `jobs` a job, its members and their moves, with `attempts` and `pace` beside it; `trials` rows put before one model for a day.
"""

from marketplace.catalog.models import WrongState
from marketplace.jobs.models.attempts import WORKER_LOST
from marketplace.jobs.models.jobs import JobMember, ReuseJob
from marketplace.jobs.models.methods import ReuseMethod
from marketplace.jobs.models.trials import Trial, _tomorrow

__all__ = ["WORKER_LOST", "JobMember", "ReuseJob", "ReuseMethod", "Trial", "WrongState", "_tomorrow"]  # _tomorrow: a migration names it here
