"""Moorage's server: accounts, catalog, matching and jobs behind pages and REST."""

import os

# Before anything loads numpy. The matrices of a search are small: OpenBLAS' second thread waits in a loop for the first, and both took three to thirteen times the processor time of one alone (benchmarks/threads.py).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from marketplace.celery import app as celery_app

__all__ = ["celery_app"]
