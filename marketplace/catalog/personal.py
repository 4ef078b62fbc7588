"""A person's part of the catalog: what they take along, and what stays when they go (marketplace/accounts/personal.py)."""

from typing import Any

from django.db.models import F, Q, QuerySet

from marketplace.accounts.models import User
from marketplace.catalog import uploading
from marketplace.catalog.models import AccessRequest, Change, Comment, Draft, Learnware, Like, Report, Share, Space, Upload, Version

HELD = {
    "catalog.Learnware.owner": ("learnwares", "deleted; what others built on stays, withdrawn, under an account that names nobody"),
    "catalog.Space.founder": ("spaces", "stays, without who founded it: others have joined it"),
    "catalog.Share.user": ("shared-with-me", "deleted"),
    "catalog.AccessRequest.user": ("access-requests", "deleted"),
    "catalog.Like.user": ("likes", "deleted"),
    "catalog.Comment.author": ("comments", "deleted"),
    "catalog.Report.reporter": ("reports", "stays for moderators, without who made it"),
    "catalog.Report.decided_by": ("", "stays, without who decided"),
    "catalog.Upload.owner": ("uploads", "deleted"),
    "catalog.Draft.author": ("drafts", "deleted"),
}


def collect(user: User) -> dict[str, Any]:
    """The versions of the person's learnwares, and each file with its digest and where to download it."""
    versions = list(Version.objects.filter(learnware__owner=user).whole().select_related("model", "specification", "statistics").order_by("created"))
    return {
        "versions": [
            {"reference": version.reference, "status": version.status, "created": version.created, "licence": version.licence, "manifest": version.manifest,
             "refusal": version.refusal, "downloads": version.downloads, "parents": [str(pk) for pk in version.parents.values_list("pk", flat=True)]}
            for version in versions
        ],
        "files": [
            {"reference": version.reference, "file": name, "sha256": artifact.sha256, "size": artifact.size,
             "download": f"/api/v1/learnwares/{version.learnware.owner.username}/{version.learnware.name}/{version.number}/files/{name}"}
            for version in versions
            for name, artifact in ((version.manifest.get("model", {}).get("file", "model"), version.model), ("specification.json", version.specification), ("statistics", version.statistics))
            if artifact is not None
        ],
    }


def stays(user: User) -> list[str]:
    """Which versions others built on."""
    return [f"{version.reference}: somebody else’s learnware or job was made from it." for version in built_on(user).whole()]


def built_on(user: User) -> QuerySet[Version]:
    """The person's versions that something of somebody else was made from: a learnware, or a job."""
    theirs = Version.objects.filter(learnware__owner=user)
    made = Version.objects.exclude(learnware__owner=user)
    # `used_in` is the members of jobs: an app to the right, of which this knows the relation and no more.
    jobs = Version._meta.get_field("used_in").related_model.objects.exclude(job__owner=user)
    return theirs.filter(Q(pk__in=made.values("parents")) | Q(pk__in=made.values("base")) | Q(pk__in=jobs.values("version")))


def leave(user: User) -> None:
    """Take everything out of the catalog; what others built on stays, withdrawn. Called after jobs and matching have let go."""
    kept = set(built_on(user).values_list("pk", flat=True))
    for version in Version.objects.filter(learnware__owner=user):
        Change.objects.create(version=version, space_id=version.space_id)
    Version.objects.filter(learnware__owner=user).exclude(pk__in=kept).delete()
    for version in Version.objects.filter(learnware__owner=user):
        version.status, version.is_latest, version.words = Version.Status.WITHDRAWN, False, ""
        version.manifest = version.manifest | {"owner": user.username}  # the name that names nobody; it is set before this is called
        version.save(update_fields=["status", "is_latest", "words", "manifest"])
    held = Learnware.objects.filter(owner=user)
    held.filter(versions=None).delete()
    Share.objects.filter(learnware__in=held).delete()
    AccessRequest.objects.filter(learnware__in=held).delete()
    for draft in Draft.objects.filter(author=user):
        uploading.discard(draft)
    for upload in Upload.objects.filter(owner=user):
        uploading.remove(upload)
    Learnware.objects.filter(likes__user=user).update(likes_count=F("likes_count") - 1)
    for model in (Like, Share, AccessRequest):
        model.objects.filter(user=user).delete()
    Comment.objects.filter(author=user).delete()
    Report.objects.filter(reporter=user).update(reporter=None)
    Report.objects.filter(decided_by=user).update(decided_by=None)
    Space.objects.filter(founder=user).update(founder=None)
