"""What the doors read: learnwares by words, a version by its revision, a file of a version."""

from typing import Any

from django.db.models import F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce

from marketplace.catalog.models import Version, VersionQuerySet
from marketplace.errors import Refused
from marketplace.hub.repository import COMMIT, NUMBER, File, Repository

MAIN = "main"
SORTS = {"createdAt": "learnware__created", "lastModified": "created", "downloads": "fetched", "likes": "learnware__likes_count", "trendingScore": "learnware__likes_count"}
TASKS = {"classification": ("tabular-classification", "text-classification", "image-classification"), "regression": ("tabular-regression",)}


class NoSuch(Refused):
    """Nothing there that may be seen; `their_code` is what the Hugging Face client goes by."""

    def __init__(self, their_code: str, code: str, message: str, *, hint: str, status: int = 404) -> None:
        super().__init__(code, message, hint=hint, status=status)
        self.their_code = their_code


def listed(user: Any, *, search: str = "", author: str = "", sort: str = "", ascending: bool = False, tags: tuple[str, ...] = (), gated: bool | None = None) -> VersionQuerySet:
    """The latest usable version of each learnware that may be seen and that the words, the owner and every tag allow; `fetched` counts its downloads."""
    found = Version.objects.latest().visible_to(user).whole()
    for word in search.lower().split()[:20]:
        found = found.filter(Q(words__contains=word) | Q(learnware__name__icontains=word.rpartition("/")[2], learnware__owner__username__icontains=word.rpartition("/")[0]))
    if author:
        found = found.filter(learnware__owner__username=author)
    if gated is not None:
        found = found.filter(learnware__is_gated=gated)
    for tag in tags[:20]:
        found = found.filter(_tagged(tag, user))
    every = Version.objects.filter(learnware=OuterRef("learnware")).order_by().values("learnware").annotate(n=Sum("downloads")).values("n")
    key = SORTS.get(sort, "created")
    return found.annotate(fetched=Coalesce(Subquery(every), 0)).order_by(key if ascending else f"-{key}", "pk")


def _tagged(tag: str, user: Any) -> Q:
    """Which versions carry a tag of `Repository.tags`."""
    kind, colon, value = tag.partition(":")
    if kind == "license" and colon:
        return Q(licence__iexact="ODbL-1.0" if value == "odbl" else value)
    if kind == "base_model" and colon:
        owner, _, name = value.partition("/")
        return Q(base__in=Version.objects.visible_to(user).filter(learnware__owner__username=owner, learnware__name=name))
    if tag in ("moorage", "learnware"):
        return Q()
    for task, theirs in TASKS.items():
        if tag in theirs:
            return Q(task=task, space__kind={"tabular": "table"}.get(tag.partition("-")[0], tag.partition("-")[0]))
    return Q(format={"sklearn": "skops"}.get(tag, tag)) | Q(task=tag) | Q(words__contains=tag.lower())


def repository(user: Any, owner: str, name: str, revision: str = MAIN) -> Repository:
    """A version as a repository: `main` is the latest usable one, else its number, with or without v, or its commit. Raises NoSuch."""
    versions = seen(user, owner, name)
    if revision in (MAIN, f"refs/heads/{MAIN}"):
        found = versions.filter(is_latest=True).first()
    elif number := NUMBER.fullmatch(revision.removeprefix("refs/tags/")):
        found = versions.filter(number=number[1]).first()
    elif COMMIT.fullmatch(revision):
        found = next((version for version in versions if Repository(version, user).commit == revision), None)
    else:
        found = None
    if found is None:
        numbers = ", ".join(f"v{number}" for number in versions.values_list("number", flat=True)[:10])
        raise NoSuch("RevisionNotFound", "no-revision", f"{owner}/{name} has no revision {revision[:80]!r}.", hint=f"There are main, {numbers}.")
    return Repository(found, user)


def seen(user: Any, owner: str, name: str) -> VersionQuerySet:
    """The usable versions of a learnware that may be seen, newest first; raises NoSuch where there are none."""
    found = (Version.objects.usable().visible_to(user).whole().select_related("model", "specification", "statistics")
             .filter(learnware__owner__username=owner, learnware__name=name).order_by("-created"))
    if not found.exists():
        raise NoSuch("RepoNotFound", "no-learnware", f"There is no learnware {owner}/{name} that you may see.",
                     hint="Check the name, and send your token if it is private: HF_TOKEN=moor_...")
    return found


def file(user: Any, found: Repository, path: str) -> File:
    """A file that a person may have; raises NoSuch where there is none, or where its owner has not let them in."""
    held = found.files.get(path)
    if held is None:
        raise NoSuch("EntryNotFound", "no-file", f"{found.id} has no file {path[:120]!r}.", hint=f"It has {', '.join(found.files)}.")
    check_access(user, found)
    return held


def check_access(user: Any, found: Repository) -> None:
    """Raise NoSuch unless a person may have the files of a version that they see."""
    if not Version.objects.filter(pk=found.version.pk).usable_by(user).exists():
        raise NoSuch("GatedRepo", "gated", f"{found.id} is gated: its owner lets people in one by one.", status=403,
                     hint="Ask for access on its page, and send your token once you are in: HF_TOKEN=moor_...")


def count_download(found: Repository) -> None:
    """One more download of the model."""
    Version.objects.filter(pk=found.version.pk).update(downloads=F("downloads") + 1)
