"""From several models to one predictor. Importing this loads no torch; `reuse.engine` does."""

from reuse.errors import ReuseError

__all__ = ["ReuseError"]
