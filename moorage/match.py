"""What a search with data answered."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moorage import tables

if TYPE_CHECKING:
    import specs
    from moorage.market import Market


class Match:
    """An answer: `singles` ranked, `mixture` with weights; `url` shows it in the browser."""

    def __init__(self, market: "Market", document: dict[str, Any], requirement: "specs.Specification | None" = None) -> None:
        self.market, self.document, self.requirement = market, document, requirement

    @property
    def id(self) -> str:
        """Its id."""
        return self.document["id"]

    @property
    def url(self) -> str:
        """Its page."""
        return self.market.url + self.document["url"]

    @property
    def singles(self) -> list[dict[str, Any]]:
        """The nearest learnwares, best first: rank, reference, mmd, coverage, verdict, columns."""
        return self.document["singles"]

    @property
    def mixture(self) -> dict[str, Any]:
        """{"members": [{"reference", "weight", ...}], "squared_mmd", "coverage"}; weights sum to 1."""
        return self.document["mixture"]

    @property
    def semantic(self) -> dict[str, Any]:
        """The words that the requirement brought."""
        return self.document.get("semantic") or {}

    def trial(self, data: Any, target: str, *, most: int = 10) -> list[dict[str, Any]]:
        """Run the best few singles on labelled rows, on this machine: their rows do not leave it; best first.

        Each is {"reference", "score", "metric", "rank"}: accuracy for classes, root mean squared error for numbers. One that fails is left out with
        "error". At most `most` models are fetched. Needs `moorage[reuse]`.
        """
        from moorage import predicting

        tables.check_target(tables.frame_of(data), target)
        found = []
        with tempfile.TemporaryDirectory(prefix="moorage-trial-") as folder:
            for single in self.singles[:most]:
                row = {"reference": single["reference"], "rank": single["rank"]}
                try:
                    at = self.market.download(single["reference"], Path(folder) / str(single["rank"]))
                    found.append(row | predicting.scored(at, data, target))
                except Exception as error:  # one model's failure is a fact about it, and no reason to lose the others
                    if not hasattr(error, "code"):
                        raise
                    found.append(row | {"score": None, "metric": None, "error": str(error)})
        return sorted(found, key=lambda row: (row["score"] is None, (row["score"] or 0) * (1 if row["metric"] == "rmse" else -1), row["rank"]))

    def __repr__(self) -> str:
        if not self.singles:
            return "Match(nothing fits)"
        mixed = " + ".join(f"{m['weight']:.2f} {m['reference']}" for m in self.mixture["members"])
        return f"Match(best {self.singles[0]['reference']} at MMD {self.singles[0]['mmd']:.3f}; mixture {mixed}; {self.url})"
