"""What a version was made from and what was made from it, over several generations, as far as a visitor may see."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, Value
from django.utils.translation import gettext, gettext_lazy

from marketplace.catalog.models import Version

GENERATIONS = 3  # up, and as many down
MOST = 40  # versions in one picture
WORDS = {"base": gettext_lazy("fine-tuned into"), "parent": gettext_lazy("part of")}


@dataclass(frozen=True)
class Edge:
    """`older` went into `newer`: as its base, or as one of several parents."""

    older: UUID
    newer: UUID
    kind: str


@dataclass
class Lineage:
    """`layers`: versions by generation, the oldest first; the one asked for stands in layer `here`. `left_out`: how many more there are than a picture has room for."""

    layers: list[list[Version]] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    here: int = 0
    left_out: int = 0

    @property
    def versions(self) -> list[Version]:
        return [version for layer in self.layers for version in layer]


def of(version: Version, visitor: Any) -> Lineage:
    """The graph around a version: two queries for each generation that there is, and one for what is shown."""
    edges, levels = _walk(version)
    if not edges:
        return Lineage([[version]])
    others = sorted((pk for pk in levels if pk != version.pk), key=lambda pk: (abs(levels[pk]), levels[pk], pk))
    seen = {found.pk: found for found in Version.objects.visible_to(visitor).whole().filter(pk__in=others[: 10 * MOST])} | {version.pk: version}
    reached = _reached(version.pk, {edge for edge in edges if edge.older in seen and edge.newer in seen})
    kept = [version.pk, *(pk for pk in others if pk in reached)][:MOST]
    left_out = max(0, len(reached | {version.pk}) - len(kept))
    held = sorted((edge for edge in edges if {edge.older, edge.newer} <= set(kept)), key=lambda e: (e.kind, str(e.older), str(e.newer)))
    level_of = _spread({pk: levels[pk] for pk in kept}, held)
    shown = sorted(set(level_of.values()))
    layers = [sorted((seen[pk] for pk in kept if level_of[pk] == level), key=lambda v: v.reference) for level in shown]
    return Lineage(_untangled(layers, held), held, shown.index(0), left_out)


def groups(lineage: Lineage) -> list[tuple[str, list[Version]]]:
    """The same in words, for those who do not look at pictures: each generation with its name; the version itself is left out."""
    named = []
    for number, layer in enumerate(lineage.layers):
        away = number - lineage.here
        if away and layer:
            named.append((_generation(away), layer))
    return named


def _generation(away: int) -> str:
    near = {-1: gettext("Made from"), 1: gettext("Made with it"), -2: gettext("Made from, two generations up"), 2: gettext("Made with it, two generations down")}
    far = gettext("Made from, %(n)s generations up") if away < 0 else gettext("Made with it, %(n)s generations down")
    return near.get(away) or far % {"n": abs(away)}


def _walk(version: Version) -> tuple[set[Edge], dict[UUID, int]]:
    """Edges around a version, and how many generations away each one stands (below 0: older)."""
    levels, edges = {version.pk: 0}, set()
    up, down = {version.pk}, {version.pk}
    for step in range(1, GENERATIONS + 1):
        if not up and not down or len(levels) > 10 * MOST:
            break
        found = {Edge(*row) for row in _rows(up, down)}
        edges |= found
        olders = {edge.older for edge in found if edge.newer in up} - set(levels)
        newers = {edge.newer for edge in found if edge.older in down} - set(levels)
        levels |= dict.fromkeys(olders, -step) | dict.fromkeys(newers - olders, step)
        up, down = olders, newers - olders
    return edges, levels


def _rows(up: set[UUID], down: set[UUID]) -> QuerySet:
    """(older, newer, kind) of what leads up from some versions and down from others, in one query."""
    links = Version.parents.through.objects
    parents = links.filter(Q(from_version__in=up) | Q(to_version__in=down)).annotate(kind=Value("parent")).values_list("to_version", "from_version", "kind")
    bases = Version.objects.order_by().filter(base__isnull=False).filter(Q(pk__in=up) | Q(base__in=down)).annotate(kind=Value("base"))
    return parents.union(bases.values_list("base", "pk", "kind"))[: 50 * MOST]


def _reached(start: UUID, edges: set[Edge]) -> set[UUID]:
    """What hangs together with `start` through edges that may be seen, upward and downward each on its own way."""
    found: set[UUID] = set()
    for near, far in (("newer", "older"), ("older", "newer")):
        front = {start}
        while front:
            front = {getattr(edge, far) for edge in edges if getattr(edge, near) in front} - found - {start}
            found |= front
    return found


def _spread(levels: dict[UUID, int], edges: list[Edge]) -> dict[UUID, int]:
    """Levels where no edge stays within one: a base and what was tuned from it may both have gone into a third."""
    spread = dict(levels)
    for _ in range(2 * GENERATIONS):
        for edge in edges:
            if spread[edge.older] < spread[edge.newer]:
                continue
            if spread[edge.newer] <= 0:
                spread[edge.older] = spread[edge.newer] - 1
            else:
                spread[edge.newer] = spread[edge.older] + 1
    return spread


def _untangled(layers: list[list[Version]], edges: list[Edge]) -> list[list[Version]]:
    """Each layer in the order of the middle of its neighbours before, so that few lines cross."""
    for number in range(1, len(layers)):
        place = {version.pk: at for at, version in enumerate(layers[number - 1])}

        def middle(version: Version, place: dict[UUID, int] = place) -> float:
            near = [place[edge.older] for edge in edges if edge.newer == version.pk and edge.older in place]
            return sum(near) / len(near) if near else len(place)

        layers[number].sort(key=middle)
    return layers
