"""What the address of a match's page asks for: filters, how many singles, and which models are in or out. Read from it, and written back into links."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext, gettext_lazy

from marketplace.errors import Refused
from marketplace.matching.models import Match
from marketplace.matching.services import MAX_TOP, Filtered

KEYS = {
    "task": gettext_lazy("Task"), "target": gettext_lazy("Target"), "format": gettext_lazy("Format"), "licence": gettext_lazy("Licence"), "q": gettext_lazy("Words"),
}
TOPS = (5, 10, 20, 50)
MOST = 40  # models that an address may name
LONGEST = 250  # characters of a reference


@dataclass(frozen=True)
class Asked:
    """`filters` holds what the address says, "" where it takes away a filter that the match was made with."""

    filters: dict[str, str] = field(default_factory=dict)
    top: int | None = None
    included: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @property
    def is_filtered(self) -> bool:
        """Whether it asks for another ranking than the one that is kept."""
        return bool(self.filters) or self.top is not None

    @property
    def is_chosen(self) -> bool:
        """Whether it asks for another mixture than the best."""
        return bool(self.included or self.excluded)

    def filtered(self, match: Match) -> Filtered:
        """The match's own filters with those of the address over them."""
        merged = {name: value for name, value in {**match.filters, **self.filters}.items() if value}
        return Filtered(merged, frozenset(name for name, value in self.filters.items() if not value), self.top or 10)

    def query(self) -> str:
        """The part of an address that says all of it, with its question mark; empty where there is nothing to say."""
        said = QueryDict(mutable=True)
        for name in KEYS:
            if name in self.filters:
                said[name] = self.filters[name]
        if self.top is not None:
            said["top"] = str(self.top)
        said.setlist("without", list(self.excluded))
        said.setlist("with", list(self.included))
        text = said.urlencode(safe="/@")
        return f"?{text}" if text else ""

    def toggled(self, reference: str, is_in: bool, best: Collection[str]) -> "Asked":
        """The same with this model put in or taken out; `best` names the members of the mixture without any choice.

        One of those comes back by itself once it is no longer taken out; any other is in only while it is asked for.
        """
        included, excluded = _less(self.included, reference), _less(self.excluded, reference)
        if is_in:
            return replace(self, excluded=excluded, included=included if reference in best else (*included, reference))
        return replace(self, included=included, excluded=excluded if reference in self.included and reference not in best else (*excluded, reference))

    def tidied(self, match: Match) -> "Asked":
        """The same without what the match says anyway, so that an address holds only what was changed."""
        used = match.result.get("filters") or {}
        filters = {name: value for name, value in self.filters.items() if value != used.get(name, "") or (not value and name in match.filters)}
        is_usual = self.top == 10 and len(match.result.get("singles") or []) <= 10
        return replace(self, filters=filters, top=None if is_usual else self.top)

    def without(self, match: Match, name: str) -> "Asked":
        """The same with a filter taken away: one of the match's own, or a word of the requirement, by an empty value."""
        filters = {key: value for key, value in self.filters.items() if key != name}
        if name in match.filters or (name in ("task", "target") and match.semantic.get(name)):
            filters[name] = ""
        return replace(self, filters=filters)


def read(query: QueryDict) -> Asked:
    """Asked of an address; Refused where a value makes no sense."""
    filters = {name: query[name].strip()[:200] for name in KEYS if name in query}
    named = [*query.getlist("with"), *query.getlist("without")]
    if len(named) > MOST or any(len(reference) > LONGEST or "\0" in reference for reference in named):
        raise Refused("bad-choice", f"An address may name up to {MOST} models, as owner/name@1.0.0; got {len(named)}.", hint="Begin anew from the match's own page.")
    return Asked(filters, _top(query.get("top")), tuple(dict.fromkeys(query.getlist("with"))), tuple(dict.fromkeys(query.getlist("without"))))


def chips(match: Match, asked: Asked, used: dict[str, str]) -> list[dict[str, str]]:
    """What narrows the ranking now, each with the link that takes it away."""
    return [
        {"name": name, "title": KEYS[name], "value": _said(name, used[name]), "href": asked.without(match, name).query() or "?"}
        for name in KEYS if used.get(name)
    ]


def facets(counts: dict[str, dict[str, int]], used: dict[str, str]) -> dict[str, Any]:
    """The choices of each select: [(value, label, chosen)], what is chosen among them even where nobody has it."""
    return {
        name: [(value, f"{_said(name, value)} ({n})" if n else _said(name, value), value == used.get(name))
               for value, n in ({**counts.get(name, {}), **({used[name]: 0} if used.get(name) and used[name] not in counts.get(name, {}) else {})}).items() if value]
        for name in ("task", "target", "format", "licence")
    }


def _said(name: str, value: str) -> str:
    return gettext(value) if name == "task" and value in ("classification", "regression") else value


def _less(references: Iterable[str], one: str) -> tuple[str, ...]:
    return tuple(reference for reference in references if reference != one)


def _top(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= MAX_TOP:
        raise Refused("bad-top", f"top must be a whole number from 1 to {MAX_TOP}; got {text[:20]!r}.", hint="Take top out of the address.", fields={"top": "Out of range."})
    return int(text)
