"""Moorage's client: describe data where it is, find what fits, offer and reuse models.

    import moorage
    market = moorage.Market("http://127.0.0.1:8000")
    requirement = market.describe(frame, target="price")
    match = market.match(requirement)
    job = market.reuse(match, data=labelled, target="price")
    predictor = job.wait().download("predictor/")
"""

from typing import Any

from moorage.errors import Conflict, Damaged, Gated, MarketError, NotAllowed, NotFound, NotSignedIn, Offline, Refused, TooMany, Unreachable

__version__ = "0.1.0"
__all__ = [
    "Conflict", "Damaged", "Gated", "Job", "Market", "MarketError", "Match", "NotAllowed", "NotFound", "NotSignedIn", "Offline", "Refused", "TooMany",
    "Unreachable", "predict",
]


def __getattr__(name: str) -> Any:
    # Late, so that `moorage --help` does not wait for NumPy and urllib3.
    if name in ("Market", "Job", "Match"):
        from moorage import market

        return getattr(market, name)
    if name == "predict":
        from moorage.predicting import predict

        return predict
    raise AttributeError(f"module 'moorage' has no attribute {name!r}")
