"""A version as a repository of the Hugging Face client: its commit, its files, its card with front matter.

A learnware is a repository, each usable version a commit with a tag, and `main` is the latest. Whatever is here follows from the version's row alone,
which never changes: so the same commit always has the same files.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from marketplace.catalog import access
from marketplace.catalog.models import Artifact, Version
from reuse.manifest import STATISTICS

COMMIT = re.compile(r"[0-9a-f]{40}")
NUMBER = re.compile(r"v?(\d+\.\d+\.\d+)")
LICENCES = {"ODbL-1.0": "odbl"}  # where their list does not simply have ours in small letters
LIBRARIES = {"skops": "sklearn", "onnx": "onnx", "xgboost": "xgboost", "lightgbm": "lightgbm", "safetensors": "moorage", "predictor": "moorage"}
KINDS = {"table": "tabular", "text": "text", "image": "image"}
TASKS = {"tabular-classification", "tabular-regression", "text-classification", "image-classification"}  # that their list has


@dataclass(frozen=True)
class File:
    """One file: an artifact of the store, or bytes that follow from the version's row."""

    path: str
    size: int
    sha256: str
    artifact: Artifact | None = None
    body: bytes = b""
    content_type: str = "application/octet-stream"

    @property
    def pointer(self) -> bytes:
        """The text by which Git LFS names these bytes."""
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n".encode()

    @property
    def oid(self) -> str:
        """Git's name of the pointer."""
        return hashlib.sha1(b"blob %d\0" % len(self.pointer) + self.pointer, usedforsecurity=False).hexdigest()

    def of_tree(self) -> dict[str, Any]:
        return {"type": "file", "path": self.path, "size": self.size, "oid": self.oid,
                "lfs": {"oid": self.sha256, "size": self.size, "pointerSize": len(self.pointer)}}

    def sibling(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {"rfilename": self.path}
        return {"rfilename": self.path, "size": self.size, "blobId": self.oid,
                "lfs": {"sha256": self.sha256, "size": self.size, "pointerSize": len(self.pointer)}}


class Repository:
    """What the doors say of one version to one person. The version comes with its learnware, space and artifacts."""

    def __init__(self, version: Version, user: Any) -> None:
        self.version, self.learnware, self.user = version, version.learnware, user

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """learnware.json as the person who asks may read it: without ancestors that they may not see."""
        return access.manifest(self.user, self.version)

    @property
    def id(self) -> str:
        return f"{self.learnware.owner.username}/{self.learnware.name}"

    @property
    def tag(self) -> str:
        return f"v{self.version.number}"

    @cached_property
    def commit(self) -> str:
        """40 hex digits that name the version's content: model, specification, statistics and manifest."""
        parts = [self.version.model_id, self.version.specification_id, self.version.statistics_id or "", _canonical(self.version.manifest)]
        return hashlib.sha256("\n".join([self.id, self.version.number, *parts]).encode()).hexdigest()[:40]

    @cached_property
    def files(self) -> dict[str, File]:
        """Path -> file, in the order of their paths."""
        version = self.version
        found = [
            _stored(version.manifest["model"]["file"], version.model),
            _stored("specification.json", version.specification, "application/json"),
            _made("learnware.json", _json(self.manifest), "application/json"),
            _made("README.md", self.readme.encode(), "text/plain; charset=utf-8"),
        ]
        if version.statistics is not None:
            found.append(_stored(STATISTICS, version.statistics))
        if config := self.config:
            found.append(_made("config.json", _json(config), "application/json"))
        return {file.path: file for file in sorted(found, key=lambda file: file.path)}

    @cached_property
    def config(self) -> dict[str, Any]:
        """The architecture of a safetensors model with its configuration; empty for other formats."""
        made = self.version.manifest["model"].get("architecture")
        if not made:
            return {}
        classes = self.version.output.get("classes", [])
        named = {"id2label": {str(i): name for i, name in enumerate(classes)}, "label2id": {name: i for i, name in enumerate(classes)}} if classes else {}
        return {"model_type": made["name"], "architectures": [made["name"]], **made["config"], **named}

    @property
    def pipeline(self) -> str | None:
        """Their word for the task, where they have one."""
        found = f"{KINDS.get(self.version.space.kind, '')}-{self.version.task}"
        return found if found in TASKS else None

    @property
    def library(self) -> str:
        return LIBRARIES.get(self.version.format, "moorage")

    @property
    def licence(self) -> str:
        return LICENCES.get(self.version.licence, self.version.licence.lower())

    @property
    def base(self) -> str | None:
        """The learnware that it was fine-tuned from, as its manifest names it."""
        base = self.manifest.get("base") or {}
        return base["learnware"].partition("@")[0] if "learnware" in base else None

    @property
    def tags(self) -> list[str]:
        """What the list can be filtered by: format, library, task, target, licence, base, scenario."""
        version = self.version
        found = ["moorage", "learnware", version.format, self.library, *([self.pipeline] if self.pipeline else []), version.task,
                 f"license:{self.licence}", *([f"base_model:{self.base}"] if self.base else []), *version.manifest.get("scenario", [])]
        return list(dict.fromkeys(found))

    @property
    def card_data(self) -> dict[str, Any]:
        """The front matter of README.md."""
        version = self.version
        said = {"license": self.licence, "library_name": self.library, "pipeline_tag": self.pipeline, "base_model": self.base,
                "tags": list(dict.fromkeys(["moorage", "learnware", version.format, version.task, *version.manifest.get("scenario", [])]))}
        return {key: value for key, value in said.items() if value}

    @cached_property
    def readme(self) -> str:
        """The card that the version was offered with, below its front matter."""
        card = self.version.manifest.get("card") or f"# {self.version.title or self.learnware.name}\n"
        return f"---\n{yaml.safe_dump(self.card_data, sort_keys=False, allow_unicode=True)}---\n\n{card.rstrip()}\n"

    def say(self, *, whole: bool = True, sizes: bool = False, downloads: int | None = None) -> dict[str, Any]:
        """The document of `model_info`; with files unless it is a row of a list, and with their sizes where they are asked for."""
        version, learnware = self.version, self.learnware
        said = {
            "_id": str(learnware.pk), "id": self.id, "modelId": self.id, "author": learnware.owner.username, "sha": self.commit,
            "createdAt": when(learnware.created), "lastModified": when(version.created), "private": learnware.visibility == learnware.Visibility.PRIVATE,
            "gated": "manual" if learnware.is_gated else False, "disabled": False, "downloads": version.downloads if downloads is None else downloads,
            "likes": learnware.likes_count, "library_name": self.library, "tags": self.tags,
        }
        if self.pipeline:
            said["pipeline_tag"] = self.pipeline
        if whole:
            said |= {"cardData": self.card_data, "siblings": [file.sibling(sizes) for file in self.files.values()],
                     "usedStorage": sum(file.size for file in self.files.values())}
            if self.config:
                said["config"] = {"model_type": self.config["model_type"], "architectures": self.config["architectures"]}
        return said


def _stored(path: str, artifact: Artifact, content_type: str = "application/octet-stream") -> File:
    return File(path, artifact.size, artifact.sha256, artifact=artifact, content_type=content_type)


def _made(path: str, body: bytes, content_type: str) -> File:
    return File(path, len(body), hashlib.sha256(body).hexdigest(), body=body, content_type=content_type)


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False).encode()


def _canonical(document: dict[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def when(moment: Any) -> str:
    """A moment as their client reads one."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
