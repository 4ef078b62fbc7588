"""The map of the catalog: each space an island, in it each learnware at a place that tells how far, by MMD, its data lie from the others'.

Specifications of one space become vectors whose squared L2 distance is about their squared MMD (specs/embedding.py). Classical scaling of such distances to
two dimensions is the projection on two principal components, and from landmarks (de Silva & Tenenbaum, 2004) the same with the components of a sample: so an
island keeps its projection, and a newcomer is placed by it without moving anybody. Spaces have no distance from one another: where an island lies says nothing.

What is private is placed, for those who may see it, and shapes nothing: layouts and radii come from what is public.
"""

import json
import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from django.core.cache import cache
from django.db import transaction
from django.db.models import Count, F

import specs
from marketplace.catalog import artifacts
from marketplace.catalog.models import Island, Learnware, Place, Space, Version
from marketplace.catalog.shelf import Found
from specs.embedding import Embedding, Projection
from storage import ArtifactDamaged, ArtifactMissing

log = logging.getLogger(__name__)
LANDMARKS = 2_000
GROWTH = 1.25  # of an island, after which its layout is made anew
BATCH = 500  # specifications read and embedded at a time
FILLED = 0.9  # of an island's radius that its places may use
APART = 0.02  # of a radius: specifications that are the same would hide one another
FEW = 60  # islands
GAP = 0.35  # between islands, in radii of the smallest
WIDE = 1.6  # the whole map is about so much wider than high
UNIT = 100_000  # steps of the map's width in which points are sent
LOCK_S = 1_800  # after which a lock counts as left behind by a process that was killed


def lay_out() -> int:
    """Bring the map level with the catalog: those that went leave, newcomers are placed, islands that have grown are laid out anew. Returns how many
    places were made or moved. One process does it at a time; another returns at once."""
    if not cache.add("catalog-map", "being laid out", LOCK_S):
        return 0
    try:
        return _lay_out()
    finally:
        cache.delete("catalog-map")


def _lay_out() -> int:
    Place.objects.exclude(version__in=Version.objects.latest()).delete()
    public = dict(
        Version.objects.latest().filter(learnware__visibility=Learnware.Visibility.PUBLIC).order_by().values_list("space").annotate(n=Count("pk"))
    )
    waiting = dict(Version.objects.latest().filter(place=None).order_by().values_list("space").annotate(n=Count("pk")))
    held = {island.space_id: island for island in Island.objects.all()}
    made: dict[str, np.ndarray] = {}
    for space_id, island in held.items():
        if not Version.objects.latest().filter(space=space_id).exists():
            island.delete()
    for space_id in {*waiting, *public}:
        if _is_due(held.get(space_id), public.get(space_id, 0)) and (projection := _fit(space_id)) is not None:
            made[space_id] = projection
    moved = _settle(made, public) if made or len(held) != Island.objects.count() else 0
    for space_id in {*waiting, *made}:
        moved += _place(space_id, everyone=space_id in made)
    return moved


def _is_due(island: Island | None, size: int) -> bool:
    """Whether an island wants a layout: it has none, or has grown by a quarter since, or shrunk by half."""
    return island is None or size > GROWTH * island.size or 2 * size < island.size


def _fit(space_id: str) -> np.ndarray | None:
    """The projection of a space's layout, packed in one vector: (scale, mean, two axes). None where no specification can be read."""
    inside = Version.objects.latest().filter(space=space_id).order_by("pk")
    shaping = inside.filter(learnware__visibility=Learnware.Visibility.PUBLIC)
    if not shaping.exists():
        shaping = inside
    keys = list(shaping.values_list("pk", flat=True))
    if len(keys) > LANDMARKS:  # the same ones at every layout of the same catalog
        keys = [keys[i] for i in np.sort(np.random.default_rng(0).choice(len(keys), LANDMARKS, replace=False))]
    V = np.concatenate([vectors for _, vectors in _vectors(space_id, keys)] or [np.empty((0, 1), np.float32)])
    if not len(V):
        return None
    fitted = Projection.fit(V, 2)
    scale = float(np.quantile(np.linalg.norm(fitted.apply(V), axis=1), 0.9)) if len(V) > 1 else 0.0
    return np.concatenate([[scale if scale > 1e-6 else 1.0], fitted.mean, fitted.axes[:, 0], fitted.axes[:, 1]]).astype(np.float32)


def _within(projection: np.ndarray, vectors: np.ndarray, keys: Sequence[UUID]) -> np.ndarray:
    """Places (m, 2) in a disc of radius 1: far ones are drawn in, and each is set a hair aside by its own id, so that equals do not cover one another."""
    width = (len(projection) - 1) // 3
    scale, mean, axes = projection[0], projection[1 : 1 + width], projection[1 + width :].reshape(2, width).T
    P = Projection(mean, axes).apply(vectors).astype(np.float64) / scale
    far = np.linalg.norm(P, axis=1, keepdims=True)
    P *= np.where(far > 0, np.tanh(far) / np.maximum(far, 1e-12), 1.0)
    turns = np.array([(key.int % 65_537) / 65_537 * 2 * np.pi for key in keys])
    steps = np.array([APART * math.sqrt((key.int >> 32) % 65_537 / 65_537) for key in keys])
    return FILLED * P + np.stack([np.cos(turns), np.sin(turns)], axis=1) * steps[:, None]


def _vectors(space_id: str, keys: Sequence[UUID]) -> Iterator[tuple[list[UUID], np.ndarray]]:
    """The embedded specifications of versions, some hundred at a time. One that can not be read is left out, loudly."""
    embedding = Embedding(specs.Space.from_json(Space.objects.get(pk=space_id).document))
    for start in range(0, len(keys), BATCH):
        digests = dict(Version.objects.filter(pk__in=keys[start : start + BATCH]).values_list("pk", "specification_id"))
        read = [(key, rkme) for key, sha256 in digests.items() if (rkme := _rkme(key, sha256)) is not None]
        if read:
            yield [key for key, _ in read], embedding.vectors([rkme for _, rkme in read])


def _rkme(key: UUID, sha256: str) -> Any:
    try:
        return specs.Specification.from_bytes(artifacts.read(sha256)).rkme
    except (ArtifactMissing, ArtifactDamaged, specs.SpecError):
        log.exception("the specification of version %s can not be read; it has no place on the map", key)
        return None


def _place(space_id: str, *, everyone: bool) -> int:
    """Give places to the newcomers of an island, or to everyone in it."""
    island = Island.objects.filter(pk=space_id).first()
    if island is None:
        return 0
    wanted = Version.objects.latest().filter(space=space_id)
    keys = list((wanted if everyone else wanted.filter(place=None)).order_by("pk").values_list("pk", flat=True))
    projection = np.frombuffer(bytes(island.projection), np.float32)
    placed = 0
    for some, vectors in _vectors(space_id, keys):
        P = np.array([island.x, island.y]) + island.radius * _within(projection, vectors, some)
        rows = [Place(version_id=key, x=x, y=y, generation=island.generation) for key, (x, y) in zip(some, P.tolist(), strict=True)]
        Place.objects.bulk_create(rows, update_conflicts=True, unique_fields=["version"], update_fields=["x", "y", "generation"], batch_size=BATCH)
        placed += len(rows)
    return placed


@transaction.atomic
def _settle(made: dict[str, np.ndarray], public: dict[str, int]) -> int:
    """Keep the new layouts, pack the islands, and move the places of those that lie elsewhere now. Returns how many moved."""
    for space_id, projection in made.items():
        island = Island.objects.filter(pk=space_id).first() or Island(space_id=space_id, x=0.0, y=0.0, radius=0.0, generation=0)
        island.size, island.projection, island.generation = public.get(space_id, 0), projection.tobytes(), island.generation + 1
        island.save()
    islands = list(Island.objects.select_related("space").order_by("space__created", "pk"))
    # Room for the next power of two: an island that grows moves the others seldom.
    room = {island.pk: math.sqrt(2 ** math.ceil(math.log2(max(1, island.size)))) for island in islands}
    islands.sort(key=lambda island: -room[island.pk])
    radii = np.array([room[island.pk] for island in islands])
    centres = pack(radii)
    reach = float(np.max(np.abs(centres[:, 0]) + radii)) if len(islands) else 1.0
    unit = 0.5 / 1.25 ** math.ceil(math.log(max(reach, 1e-9), 1.25))  # in steps, so that one more island rarely changes the scale
    moved = 0
    for island, (x, y), radius in zip(islands, (0.5 + unit * centres).tolist(), (unit * radii).tolist(), strict=True):
        if max(abs(island.x - x), abs(island.y - y), abs(island.radius - radius)) < 1e-9:
            continue
        if island.pk not in made:
            k = radius / island.radius
            moved += Place.objects.filter(version__space=island.pk).update(x=x + (F("x") - island.x) * k, y=y + (F("y") - island.y) * k)
            island.generation += 1
        island.x, island.y, island.radius = x, y, radius
        island.save()
    return moved


def pack(radii: np.ndarray) -> np.ndarray:
    """Centres (m, 2) of discs (m,), largest first, that do not overlap: each takes the first free place on a spiral from the middle.

    Where they are few, small ones fill the gaps between large ones; many begin at the rim of what lies already, so that thousands take seconds.
    """
    centres = np.zeros((len(radii), 2))
    gap, k, rim = GAP * float(radii.min(initial=1.0)), 0, 0.0
    for i, radius in enumerate(radii.tolist()):
        if i and radius < radii[i - 1]:  # equals need not look again where there was no room
            k = 0 if i < FEW else int((rim / (0.4 * radius)) ** 2)
        while True:
            at = np.arange(k, k + 64)
            turn, out = at * 2.399963229728653, 0.4 * radius * np.sqrt(at)  # the golden angle covers the plane evenly
            x, y = out * np.cos(turn) * math.sqrt(WIDE), out * np.sin(turn) / math.sqrt(WIDE)
            apart = (x[:, None] - centres[None, :i, 0]) ** 2 + (y[:, None] - centres[None, :i, 1]) ** 2
            free = np.flatnonzero((apart >= (radii[:i] + (radius + gap)) ** 2).all(axis=1))
            if len(free):
                centres[i], k, rim = (x[free[0]], y[free[0]]), int(at[free[0]]) + 1, max(rim, float(out[free[0]]))
                break
            k += len(at)
    return centres


# --- what is shown ------------------------------------------------------------------------------


def islands(found: Found) -> list[dict[str, Any]]:
    """The islands on which something is found, largest first, with the number `n` of what is; the lasso aside, which chooses among what is shown."""
    counts = np.bincount(found.shelf.codes["space"][found.mask(but="lasso")], minlength=len(found.shelf.values["space"]))
    n = {space: int(count) for space, count in zip(found.shelf.named("space"), counts, strict=False) if count}
    rows = Island.objects.defer("projection").select_related("space").only("x", "y", "radius", "generation", "space__name")
    shown = [{"space": row.pk, "name": row.space.name, "x": row.x, "y": row.y, "radius": row.radius, "n": n[row.pk]} for row in rows if row.pk in n]
    return sorted(shown, key=lambda island: (-island["n"], island["name"], island["space"]))


def points(found: Found) -> dict[str, Any]:
    """x, y, uses (m,) and task (m,), numbers into `tasks`, of what is found and has a place; most used last, so that they lie on top."""
    shelf = found.shelf
    rows = np.flatnonzero(found.mask(but="lasso") & ~np.isnan(shelf.numbers["x"]))
    rows = rows[np.argsort(shelf.numbers["uses"][rows], kind="stable")]
    return {"x": shelf.numbers["x"][rows], "y": shelf.numbers["y"][rows], "uses": shelf.numbers["uses"][rows], "task": shelf.codes["task"][rows], "tasks": shelf.named("task")}


def edges(held: list[dict[str, Any]]) -> dict[str, float]:
    """Left, right, bottom and top of islands; the unit square where there are none."""
    if not held:
        return {"left": 0.0, "right": 1.0, "bottom": 0.0, "top": 1.0}
    side = lambda pick, key, sign: round(pick(island[key] + sign * island["radius"] for island in held), 4)  # noqa: E731
    return {"left": side(min, "x", -1), "right": side(max, "x", 1), "bottom": side(min, "y", -1), "top": side(max, "y", 1)}


def document(found: Found) -> bytes:
    """The map as JSON: columns of whole numbers, `unit` to the map's width, small enough for a hundred thousand points."""
    shown = points(found)
    whole = {name: np.round(shown[name] * UNIT).astype(int).tolist() for name in ("x", "y")}
    said = {
        "unit": UNIT,
        "tasks": shown["tasks"],
        "islands": [{**island, **{key: round(island[key], 5) for key in ("x", "y", "radius")}} for island in islands(found)],
        **whole,
        "task": shown["task"].tolist(),
        "uses": shown["uses"].astype(int).tolist(),
    }
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()


def nearest(found: Found, x: float, y: float) -> Version | None:
    """What lies nearest to a point of the map, of what is found."""
    shelf = found.shelf
    rows = np.flatnonzero(found.mask(but="lasso") & ~np.isnan(shelf.numbers["x"]))
    if not len(rows) or not (math.isfinite(x) and math.isfinite(y)):
        return None
    apart = (shelf.numbers["x"][rows] - x) ** 2 + (shelf.numbers["y"][rows] - y) ** 2
    return next(iter(found.versions(rows[[apart.argmin()]])), None)
