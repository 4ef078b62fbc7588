"""What the learnware pages show beyond the row: the specification's plot, ranges, and snippets to copy."""

import logging
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

import specs
import storage
from marketplace import plots
from marketplace.catalog.models import Version
from reuse.manifest import STATISTICS

log = logging.getLogger(__name__)
TABS = [("card", "Card"), ("specification", "Specification"), ("model", "Model"), ("files", "Files and versions"), ("lineage", "Lineage")]
WIDE = 30  # columns; more of them are folded away


@lru_cache(maxsize=64)
def specification(sha256: str) -> specs.Specification:
    """The specification with this digest. Bytes never change, so neither does the answer."""
    with storage.connect(settings.STORAGE_URL).open(sha256) as file:
        return specs.Specification.from_bytes(file.read())


@lru_cache(maxsize=256)
def drawn(sha256: str) -> dict[str, Any]:
    """Plot and per-column ranges of a specification; empty where its bytes can not be read."""
    try:
        spec = specification(sha256)
    except (storage.ArtifactMissing, specs.SpecError) as error:
        log.warning("The specification %s can not be shown: %s", sha256[:12], error)
        return {}
    rows = plots.ranges(spec.space, spec.rkme)
    return {
        "plot": plots.cloud(spec.space, [(spec.rkme, "one")], "The specification's weighted points"),
        "columns": rows[:WIDE],
        "more_columns": rows[WIDE:],
        "points": len(spec.rkme.weights),
        "rows": spec.rkme.n,
        "d": spec.space.d,
    }


def evaluation(version: Version) -> dict[str, Any]:
    """The plain numbers and words of what the owner reports."""
    return {name: value for name, value in version.manifest.get("evaluation", {}).items() if isinstance(value, str | int | float)}


def lineage(version: Version) -> list[tuple[str, list[Version]]]:
    """What the version was made from and what was made from it; groups without a version are left out."""
    groups = [
        ("Fine-tuned from", [version.base] if version.base else []),
        ("Made from", list(version.parents.all())),
        ("Fine-tuned from it", list(version.fine_tuned.all())),
        ("Made with it", list(version.children.all())),
    ]
    return [(words, rows) for words, rows in groups if rows]


def snippets(request: HttpRequest, version: Version) -> list[dict[str, str]]:
    url = request.build_absolute_uri("/").rstrip("/")
    reference, folder = version.reference, version.learnware.name
    return [
        {
            "id": "cli",
            "label": "Command line",
            "code": f"moorage download {reference} -o {folder}/ --url {url}\nmoorage predict {folder}/ new.csv -o out.csv",
        },
        {
            "id": "python",
            "label": "Python",
            "code": f'import moorage\n\nmarket = moorage.Market("{url}")\n'
            f'folder = market.download("{reference}", "{folder}/")\n'
            "prediction = moorage.predict(folder, frame)",
        },
        {
            "id": "curl",
            "label": "curl",
            "code": f"curl -OJ {url}/api/v1/learnwares/{version.learnware.owner.username}/{version.learnware.name}/"
            f"{version.number}/files/{version.manifest['model']['file']}",
        },
    ]


def files(version: Version) -> list[dict[str, Any]]:
    """The files of a version, with size, digest and address. `version` comes with its artifacts."""
    rows = [
        (version.manifest["model"]["file"], version.model.size, version.model_id),
        ("specification.json", version.specification.size, version.specification_id),
        *([(STATISTICS, version.statistics.size, version.statistics_id)] if version.statistics_id else []),
        ("learnware.json", None, ""),
    ]
    whose = (version.learnware.owner.username, version.learnware.name, version.number)
    return [
        {"name": name, "size": size, "sha256": sha256, "url": reverse("api:version-file", args=[*whose, name])} for name, size, sha256 in rows
    ]
