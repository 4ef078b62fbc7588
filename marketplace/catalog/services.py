"""What a user does with the catalog: offer, withdraw, look for."""

import json
import logging
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

import specs
from marketplace.accounts import audit
from marketplace.accounts.models import User
from marketplace.accounts.services import may_write
from marketplace.catalog import artifacts, fulltext, mending, quota, tasks, uploading
from marketplace.catalog.models import Artifact, Change, Draft, Learnware, Space, Version, VersionQuerySet
from marketplace.catalog.opening import identify
from marketplace.errors import Refused
from reuse.manifest import Manifest
from storage import Stored

log = logging.getLogger(__name__)


def submit(
    *, owner: User, manifest: bytes | dict[str, Any], model: UploadedFile, specification: bytes, statistics: UploadedFile | None = None, visibility: str = "",
) -> Version:
    """Take an offer: everything that can be checked without opening the model is checked now, the rest by a worker.

    `owner` is who offers; a manifest that names an organisation they write for offers in its name. `visibility` is that of a new learnware (public when left out).
    `statistics` is what an owner may publish in place of data, so that a model can be merged by RegMean or Fisher (reuse/weights/statistics.py).
    Returns the version in state *checking*. Raises Refused, ManifestError or SpecError, and then keeps nothing.
    """
    read = Manifest.read_bytes(manifest) if isinstance(manifest, bytes) else Manifest.read(manifest)
    spec = specs.Specification.from_bytes(bytes(specification))
    _agree(read, spec)
    author, owner = owner, _owner(owner, read)
    _agree_on_visibility(owner, read, visibility)
    _fits("model", model.size)
    if statistics is not None:
        _takes_statistics(read)
        _fits("statistics", statistics.size)
    identify(model, read)
    _fresh(owner, read)
    _make_room()
    _has_room(owner, read)
    base, parents = _ancestors(author, read)
    stored: list[Stored] = []
    try:
        stored.append(artifacts.put(model))
        if (stored[0].sha256, stored[0].size) != (read.model["sha256"], read.model["size"]):
            raise Refused("wrong-digest", "The model that arrived is not the one that learnware.json names: "
                          f"{stored[0].size:,} bytes, SHA-256 {stored[0].sha256[:12]}…, against {read.model['size']:,} and {read.model['sha256'][:12]}….",
                          hint="The upload may be truncated: send it again.", fields={"model": "Another file than the manifest names."})
        stored.append(artifacts.put(spec.to_bytes()))
        if statistics is not None:
            stored.append(artifacts.put(statistics))
        return _create(author, owner, read, spec, stored, base, parents, visibility or Learnware.Visibility.PUBLIC)
    except BaseException:
        for item in stored:
            artifacts.drop(item)
        raise


def _has_room(owner: User, said: Any) -> None:
    """Told before any byte is kept, from what the manifest says; `_create` reserves."""
    quota.insist(owner, {said.model["sha256"]: said.model["size"]}, field="model")


def _make_room() -> None:
    """A check that would wait for hours is not promised: come again. Nothing is kept yet."""
    waiting = Version.objects.filter(status=Version.Status.CHECKING).count()
    if waiting >= settings.CHECKS_QUEUED_MOST:
        raise Refused("queue-full", f"At most {settings.CHECKS_QUEUED_MOST:,} offers may wait for their check; {waiting:,} do.", hint="Offer it again in a minute.", status=503)


def submit_uploads(
    *, by: User, manifest: dict[str, Any], model: str, specification: Any, statistics: str | None = None, visibility: str = "", draft: UUID | None = None,
) -> Version:
    """Take an offer whose files have arrived before it. What is wrong with its words is said before its files are looked at; the uploads go once it stands."""
    document = specification_of(by, specification)
    if wrong := problems(author=by, manifest=manifest, specification=document, visibility=visibility, statistics=statistics is not None):
        Manifest.read(manifest)  # where several fields are wrong, all are named
        raise wrong[0]
    files: list[UploadedFile] = []
    try:
        files.append(uploading.opened(by, model, "model"))
        if statistics is not None:
            files.append(uploading.opened(by, statistics, "statistics"))
        version = submit(owner=by, manifest=manifest, model=files[0], specification=document, statistics=files[1] if len(files) > 1 else None, visibility=visibility)
    finally:
        for file in files:
            file.close()
    uploading.forget(by, model, statistics, specification if isinstance(specification, str) else None)
    for done in Draft.objects.filter(author=by, pk=draft):
        uploading.discard(done)
    return version


def specification_of(by: User, given: Any) -> bytes | None:
    """The bytes of a specification: given as a document, or by the name of a file that has arrived; None where none is given."""
    if given is None:
        return None
    if isinstance(given, str):
        return uploading.read(by, given, "specification", settings.MAX_SPECIFICATION_BYTES)
    return json.dumps(given).encode()


def problems(*, author: User, manifest: Any, specification: bytes | None, visibility: str = "", statistics: bool = False) -> list[Refused]:
    """Everything that `submit` would refuse of an offer before it looks at the model, not the first alone; `manifest` is the parsed learnware.json."""
    good, found = mending.read(manifest)
    said = SimpleNamespace(**{"owner": "", "base": None, "parents": ()} | good | {"format": good.get("model", {}).get("format")})
    spec = owner = None

    def holds(needed: str, rule: Callable[..., Any], *given: Any) -> Any:
        if not set(needed.split()) <= set(good) or None in given:
            return None
        try:
            return rule(*given)
        except Refused as refusal:
            found.append(refusal)
            return None

    try:
        spec = specs.Specification.from_bytes(specification) if specification is not None else None
    except specs.SpecError as error:
        found.append(Refused(error.code, error.message, hint=error.hint or "Make it again with: moorage describe data.csv", fields={"specification": error.message}))
    if specification is None:
        found.append(Refused("no-specification", "An offer comes with the specification of its training data; there is none.", hint="Make one with: moorage describe data.csv",
                             fields={"specification": "Missing."}))
    holds("input", _agree_on_space, said, spec)
    holds("output", _agree_on_target, said, spec)
    holds("task output", _agree_on_words, said, spec)
    owner = holds("", _owner, author, said)
    holds("name", _agree_on_visibility, owner, said, visibility)
    holds("name version", _fresh, owner, said)
    if "model" in good:
        holds("model", _fits, "model", said.model["size"])
        holds("model", _takes_statistics, said if statistics else None)
        holds("model", _has_room, owner, said)
    holds("", _base, author, said)
    for reference in said.parents or ():
        holds("", _parent, author, reference)
    return found


@transaction.atomic
def _create(author: User, owner: User, read: Manifest, spec: specs.Specification, stored: list[Stored], base: Version | None, parents: list[Version], visibility: str) -> Version:
    quota.reserve(owner, {item.sha256: item.size for item in stored}, field="model")
    space = found_or_join(spec.space, owner)
    learnware = Learnware.objects.get_or_create(owner=owner, name=read.name, defaults={"visibility": visibility})[0]
    try:
        with transaction.atomic():
            version = Version.objects.create(
                learnware=learnware, number=read.version, title=read.title or read.name.replace("-", " "),
                space=space, task=read.task, target=read.output["target"], format=read.format, licence=read.licence,
                manifest=read.to_json() | {"owner": owner.username}, words=words(owner, read.to_json(), space, learnware.card),
                model=artifacts.row(stored[0]), specification=artifacts.row(stored[1]), base=base,
                statistics=artifacts.row(stored[2]) if len(stored) > 2 else None,
            )
    except IntegrityError:
        raise _exists(owner, read) from None
    version.parents.set(parents)
    audit.note("offered", actor=author, subject=owner if owner != author else None, object=f"version:{version.reference}")
    transaction.on_commit(lambda: tasks.ring(version.pk))
    return version


def found_or_join(space: specs.Space, founder: User | None) -> Space:
    """The row of a space; the first who offers in it founds it."""
    row, _ = Space.objects.get_or_create(
        pk=space.id, defaults={"name": space.name, "kind": space.kind, "document": space.to_json(), "founder": founder}
    )
    return row


def withdraw(version: Version, by: User) -> None:
    """Take a version out of search; its page and its lineage stay."""
    if not may_write(by, version.learnware.owner):
        raise Refused("not-yours", "Only who may write for its owner may withdraw a version.", status=403)
    with transaction.atomic():
        changed = Version.objects.filter(pk=version.pk, status=Version.Status.USABLE).update(status=Version.Status.WITHDRAWN, is_latest=False)
        if not changed:
            raise Refused("not-usable", f"Only a usable version can be withdrawn; this one is {version.get_status_display()}.", status=409)
        if version.is_latest:
            version.learnware.promote()
        Change.objects.create(version=version, space_id=version.space_id)
        audit.note("withdrawn", actor=by, object=f"version:{version.reference}")
    version.refresh_from_db()


def search(
    *, user: Any, q: str = "", task: str = "", target: str = "", format: str = "", licence: str = "", owner: str = "",
    space: str = "", sort: str = "newest",
) -> VersionQuerySet:
    """The latest usable version of each learnware that the words and filters allow, as a question to the database; `shelf.look` counts and orders sooner."""
    found = Version.objects.latest().visible_to(user).whole()
    for name, value in (("task", task), ("target", target), ("format", format), ("licence", licence), ("space_id", space), ("learnware__owner__username", owner)):
        if value:
            found = found.filter(**{name: value})
    found = fulltext.narrow(found, q)
    if sort == "name":
        return found.order_by("learnware__name", "learnware__owner__username")
    if sort == "used":
        return found.annotate(uses=Count("used_in")).order_by("-uses", "-created", "pk")
    return found.order_by("-created", "pk")


def spaces_for(user: Any) -> QuerySet[Space]:
    """The spaces in which there is something to see, with how many `learnwares`, most used first.

    A space that only private learnwares stand in is known to whoever sees one of them, and to whoever has its id.
    """
    within = Version.objects.filter(space=OuterRef("pk"))
    seen = Version.objects.latest().visible_to(user).filter(space=OuterRef("pk")).order_by().values("space").annotate(n=Count("pk")).values("n")
    public = Exists(within.filter(learnware__visibility=Learnware.Visibility.PUBLIC))
    return (
        Space.objects.annotate(learnwares=Coalesce(Subquery(seen), 0))
        .filter(public | Exists(Version.objects.visible_to(user).filter(space=OuterRef("pk"))) | ~Exists(within))
        .order_by("-learnwares", "created")
    )


def find_spaces(columns: list[dict[str, str]], user: Any = None) -> dict[str, list[dict[str, Any]]]:
    """Spaces that a table with these columns fits, most used first, and else the nearest with what stands between."""
    fits, nearest = [], []
    for row in spaces_for(user):
        space = specs.Space.from_json(row.document)
        fit = space.compare(columns)
        entry = {"id": row.pk, "name": row.name, "learnwares": row.learnwares, "missing": list(fit.missing), "extra": list(fit.extra), "wrong_type": list(fit.wrong_type)}
        if fit.fits:
            fits.append((len(fit.extra), entry))
        elif len(fit.missing) + len(fit.wrong_type) < len(space.columns):
            nearest.append((len(fit.missing) + len(fit.wrong_type), entry))
    fits.sort(key=lambda pair: (pair[0], -pair[1]["learnwares"]))
    nearest.sort(key=lambda pair: pair[0])
    return {"fits": [entry for _, entry in fits], "nearest": [entry for _, entry in nearest[:5]]}


def _agree(read: Manifest, spec: specs.Specification) -> None:
    _agree_on_space(read, spec)
    _agree_on_target(read, spec)
    _agree_on_words(read, spec)


def _agree_on_space(read: Manifest, spec: specs.Specification) -> None:
    if read.input["space"] != spec.space.id:
        raise Refused("other-space", f"learnware.json names the space {read.input['space'][:12]}…, the specification stands in {spec.space.id[:12]}….",
                      hint="Describe the training data in the model's own space.", fields={"input.space": "Not the specification's."})


def _agree_on_target(read: Manifest, spec: specs.Specification) -> None:
    if read.output["target"] in {column.name for column in spec.space.columns}:
        raise Refused("target-is-input", f"The target {read.output['target']!r} is one of the space's columns.",
                      hint="Found the space without it: moorage describe data.csv --target " + read.output["target"], fields={"output.target": "It is an input."})


def _agree_on_words(read: Manifest, spec: specs.Specification) -> None:
    said = spec.semantic
    if said.get("task") not in (None, read.task) or said.get("target") not in (None, read.output["target"]):
        raise Refused("semantic-differs", "learnware.json and the specification name different tasks or targets.",
                      hint="Describe the data again with --target.", fields={"task": "Not the specification's."})


def _fits(what: str, size: int) -> None:
    if size > settings.MAX_MODEL_BYTES:
        raise Refused(f"{what}-too-large", f"A {what} file may have {settings.MAX_MODEL_BYTES >> 20} MB; this one has {size >> 20} MB.", status=413,
                      hint="Offer a smaller model." if what == "model" else "Leave them out.", fields={what: "Too large."})


def _takes_statistics(read: Manifest) -> None:
    if read.format != "safetensors":
        raise Refused("statistics-not-wanted", f"Only safetensors models are merged, so only they carry statistics; this one is {read.format}.", hint="Leave the statistics out.",
                      fields={"statistics": "Not for this format."})


def _owner(author: User, read: Manifest) -> User:
    """In whose name an offer is made: the author's, or that of an organisation which the manifest names."""
    if read.owner in ("", author.username):
        return author
    named = User.objects.acts_for(author).filter(username=read.owner).first()
    if named is None:
        raise Refused("other-owner", f"learnware.json names the owner {read.owner!r}; you are {author.username!r} and do not write for it.",
                      hint="Leave the owner out, or name an organisation in which you are a writer.", fields={"owner": "Somebody else."})
    return named


def _agree_on_visibility(owner: User, read: Manifest, visibility: str) -> None:
    """A version does not change who sees its learnware: that is a page of its own."""
    if visibility not in ("", *Learnware.Visibility.values):
        raise Refused("bad-visibility", f"Visibility is one of {', '.join(Learnware.Visibility.values)}; got {visibility[:40]!r}.", fields={"visibility": "Unknown."})
    held = Learnware.objects.filter(owner=owner, name=read.name).values_list("visibility", flat=True).first()
    if visibility and held and held != visibility:
        raise Refused("visibility-differs", f"{owner.username}/{read.name} is {held} already; a new version can not be {visibility}.",
                      hint="Leave the visibility out, or change it for all versions on the learnware's access page.", status=409, fields={"visibility": f"It is {held}."})


def _fresh(owner: User, read: Manifest) -> None:
    if Version.objects.filter(learnware__owner=owner, learnware__name=read.name, number=read.version).exists():
        raise _exists(owner, read)


def _exists(owner: User, read: Manifest) -> Refused:
    held = Version.objects.filter(learnware__owner=owner, learnware__name=read.name).values_list("number", flat=True)
    last = max((tuple(int(part) for part in number.split(".")) for number in held), default=(0, 0, 0))
    free = f"{last[0]}.{last[1]}.{last[2] + 1}"
    return Refused("version-exists", f"{owner.username}/{read.name}@{read.version} is offered already, and versions never change.", status=409,
                   hint=f"Offer it as version {free}.", fields={"version": "Taken."})


def _ancestors(owner: User, read: Manifest) -> tuple[Version | None, list[Version]]:
    return _base(owner, read), [_parent(owner, reference) for reference in read.parents]


def _base(owner: User, read: Manifest) -> Version | None:
    visible = Version.objects.visible_to(owner)
    if read.base and "learnware" in read.base:
        base = _by_reference(visible, read.base["learnware"])
        if base is None:
            raise Refused("unknown-base", f"The base {read.base['learnware']} is not in the market.", hint="Offer the base first, or name it by its SHA-256.",
                          fields={"base": "Unknown."})
        return base
    return visible.filter(model_id=read.base["sha256"]).order_by("created").first() if read.base else None


def _parent(owner: User, reference: str) -> Version:
    parent = _by_reference(Version.objects.visible_to(owner), reference)
    if parent is None:
        raise Refused("unknown-parent", f"The parent {reference} is not in the market.", hint="Offer the parent first, or leave it out.", fields={"parents": "Unknown."})
    return parent


def _by_reference(versions: QuerySet[Version], reference: str) -> Version | None:
    owner, _, rest = reference.partition("/")
    name, _, number = rest.partition("@")
    return versions.filter(learnware__owner__username=owner, learnware__name=name, number=number).first()


def words(owner: User, manifest: dict[str, Any], space: Space, card: str = "") -> str:
    """What free-text search looks through, in lower case; `card` stands in for that of the manifest where the owner wrote one."""
    columns: Iterable[str] = (column["name"] for column in space.document["columns"])
    said, output = manifest.get, manifest.get("output", {})
    parts = [owner.username, said("name", ""), said("title", ""), said("task", ""), output.get("target", ""), said("model", {}).get("format", ""), said("licence", ""), space.name,
             *said("scenario", ()), *list(columns)[:100], *output.get("classes", ())[:100], card or said("card", "")]
    return " ".join(map(str, parts)).lower()[:20_000]


__all__ = ["Artifact", "find_spaces", "found_or_join", "problems", "search", "spaces_for", "specification_of", "submit", "submit_uploads", "withdraw"]
