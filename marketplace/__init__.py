"""Moorage's server: accounts, catalog, matching and jobs behind pages and REST."""

from marketplace.celery import app as celery_app

__all__ = ["celery_app"]
