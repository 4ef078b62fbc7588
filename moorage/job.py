"""A reuse that runs on the market's side."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moorage import folders
from moorage.errors import MarketError

if TYPE_CHECKING:
    from moorage.market import Market

POLL_S = 0.5
Seen = Callable[[dict[str, Any]], None]


class Job:
    """A reuse that runs on the market's side."""

    def __init__(self, market: "Market", document: dict[str, Any]) -> None:
        self.market, self.document = market, document

    @property
    def id(self) -> str:
        """Its id."""
        return self.document["id"]

    @property
    def status(self) -> str:
        """queued, running, done, failed or cancelled."""
        return self.document["status"]

    @property
    def evidence(self) -> dict[str, Any]:
        """The leaderboard with intervals, the rule of choice, warnings, and what was not measured."""
        return self.document["evidence"]

    @property
    def lineage(self) -> dict[str, Any]:
        """What the result is made of: members with versions and digests, method, parameters, licence."""
        return self.document["lineage"]

    @property
    def url(self) -> str:
        """Its page."""
        return self.market.url + self.document["url"]

    def __repr__(self) -> str:
        return f"Job({self.id}, {self.document['method']}, {self.status})"

    def refresh(self) -> "Job":
        """Ask the market how it stands; returns itself."""
        self.document = self.market._wire.get(f"jobs/{self.id}")
        return self

    def wait(self, *, timeout_s: float = 3600.0, seen: Seen | None = None) -> "Job":
        """Wait until it is over; raises MarketError with the reason when it failed or was cancelled."""
        deadline = time.monotonic() + timeout_s
        while self.refresh().status in ("queued", "running"):
            if seen:
                seen(self.document)
            if time.monotonic() > deadline:
                raise MarketError(f"The job is still {self.status} after {timeout_s:g} s.", code="still-running", hint=f"Look later: moorage jobs show {self.id}")
            time.sleep(POLL_S)
        if seen:
            seen(self.document)
        if self.status != "done":
            why = self.document.get("error") or {"message": f"The job was {self.status}.", "code": self.status, "hint": ""}
            raise MarketError(why["message"], code=why["code"], hint=why["hint"])
        return self

    def cancel(self) -> "Job":
        """End it, or ask it to stop at its next step; returns itself."""
        self.document = self.market._wire.post(f"jobs/{self.id}/cancel")
        return self

    def download(self, folder: str | Path, *, progress: Callable[[int, int], None] | None = None) -> Path:
        """Fetch the predictor into a new folder; returns it. Run it with `moorage.predict` or `moorage predict`."""
        from reuse import predictor

        folder = Path(folder)
        folders.insist_on_new(folder)
        result = self.refresh().document["result"]
        if result is None:
            raise MarketError(f"The job has no result; it is {self.status}.", code="no-result", hint=f"moorage jobs show {self.id}")
        with tempfile.TemporaryDirectory(prefix="moorage-") as scratch:
            bundle = self.market._wire.download(result["url"], Path(scratch) / "predictor.zip", sha256=result["sha256"], progress=progress)
            predictor.unpack(bundle, folder)
        return folder

    @property
    def learning(self) -> list[dict[str, Any]]:
        """Points of the loss curve so far: method, epoch, train, validation."""
        return self.document.get("learning") or []

    def card(self) -> str:
        """The model card of the result, in Markdown."""
        return self.market._wire.text(f"jobs/{self.id}/card")

    def offer(self, name: str, *, wait: bool = True, seen: Seen | None = None, **words: str) -> dict[str, Any]:
        """Offer the result as a new learnware of yours, with its lineage. Words: version, title, licence, card."""
        version = self.market._wire.post(f"jobs/{self.id}/offer", json={"name": name, **{k: v for k, v in words.items() if v}})
        return self.market.wait_for_check(version["reference"], seen=seen) if wait else version
