"""The market from Python: describe, match, offer, reuse, download."""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import specs
from moorage import credentials, references, tables
from moorage.cache import Cache
from moorage.credentials import find
from moorage.errors import MarketError, NotFound, Offline, Refused
from moorage.http import Wire
from moorage.job import POLL_S, Job, Seen
from moorage.match import Match

CHECK_WAIT_S = 300.0
Bars = Callable[[str, int, int], None]  # what is moved, bytes done, bytes in all


class Market:
    """A market at `url`, for whoever holds `token` (reading and searching need none).

    What is not given comes from MOORAGE_URL and MOORAGE_TOKEN, else from what `moorage login` kept. Files and documents that were fetched stay in
    `cache` (MOORAGE_CACHE, else ~/.cache/moorage). `offline` (else MOORAGE_OFFLINE): no request is made; what is in the cache works, the rest raises Offline.
    """

    def __init__(self, url: str | None = None, token: str | None = None, *, offline: bool | None = None, cache: str | Path | None = None, transport: Any = None) -> None:
        self.credentials = find(url, token)
        self.offline = credentials.is_offline() if offline is None else offline
        self.cache = Cache(self.credentials.url, Path(cache) if cache else None)
        self._wire = Wire(self.credentials, transport, offline=self.offline)

    def __repr__(self) -> str:
        return f"Market({self.credentials.url!r}, token from {self.credentials.source})"

    @property
    def url(self) -> str:
        """The market's address."""
        return self.credentials.url

    def login(self, username: str, password: str, *, name: str = "client", scopes: list[str] | None = None, days: int = 90, code: str = "") -> str:
        """Make a token with a user name and a password; returns its secret, which is shown this once.

        `code` is for accounts with a second factor: six digits of the authenticator, or a recovery code. Raises NotSignedIn with the code `code-needed` where it
        is missing.
        """
        asked = {"username": username, "password": password, "name": name, "scopes": scopes or ["read", "upload", "run"], "days": days} | ({"code": code} if code else {})
        return self._wire.post("tokens", json=asked)["token"]

    def login_by_device(self, shown: Callable[[dict[str, Any]], None], *, name: str = "client", scopes: list[str] | None = None) -> str:
        """Make a token without a password here: `shown` gets {"user_code", "verification_uri", "verification_uri_complete", ...}, a person lets it in there.

        Waits until they did and returns the token's secret. Raises NotAllowed when they said no, NotSignedIn when the code is too old.
        """
        from moorage import signing

        return signing.by_device(self._wire, shown, name=name, scopes=scopes or ["read", "upload", "run"])

    def whoami(self) -> dict[str, Any]:
        """{"username", "token": {"name", "scopes"}}."""
        return self._wire.get("whoami")

    # -- describing -----------------------------------------------------------------------------

    def spaces(self) -> list[dict[str, Any]]:
        """Every space of the market: [{"id", "name", "kind", "learnwares"}]; offline, those that were fetched."""
        return self.cache.every("spaces") if self.offline else self._wire.get("spaces")

    def space(self, space_id: str) -> specs.Space:
        """A space by its id; raises NotFound where there is none. A space never changes, so one that was fetched is not asked for again."""
        found = self.cache.kept("spaces", space_id)
        if found is None:
            found = self._remembered("spaces", space_id, lambda: self._wire.get(f"spaces/{quote(space_id, safe='')}"))
        return specs.Space.from_json(found["space"])

    def find_space(self, frame: Any, target: str | None = None) -> specs.Space:
        """The space that a table's columns fit, the most used first. Only column names and types are sent; offline, the spaces in the cache are looked at.

        Raises NotFound that says which columns are missing, extra or of another type in the nearest ones.
        """
        columns = specs.Space.columns_of(frame, target)
        if self.offline:
            return self._find_kept_space(columns)
        found = self._wire.post("spaces/find", json={"columns": columns})
        if found["fits"]:
            return self.space(found["fits"][0]["id"])
        raise NotFound("No space of the market has these columns." + "".join(_near(space) for space in found["nearest"][:3]), code="no-space",
                       hint="Rename the columns to match one, or found a space with --found (space=\"found\").")

    def _find_kept_space(self, columns: list[dict[str, str]]) -> specs.Space:
        for kept in self.spaces():
            space = specs.Space.from_json(kept["space"])
            if space.compare(columns).fits:
                return space
        raise Offline("No space in the cache has these columns, and the client is offline.", code="not-in-cache")

    def describe(
        self, frame: Any, target: str | None = None, *, name: str = "", description: str = "", task: str | None = None,
        space: specs.Space | str | None = None, points: int = 100, seed: int = 0, labels: bool = False, parts: Any = None, **options: Any,
    ) -> specs.Specification:
        """Reduce a table to a specification, here: no row leaves the machine.

        `space`: a Space, the id of one, "found" for a new one where none fits, or None to find one by the columns. `labels`: carry statistics of
        the target too, so that models of your concept come first. `parts`: a function that starts an iterator of DataFrames, for a table larger than memory;
        `frame` is then its first rows. Options go to `specs.describe` (mode, noise, epsilon, delta).
        """
        if labels and target is None:
            raise Refused("Label statistics need a target.", code="no-target", hint="Name the column to predict.")
        tables.check_target(tables.frame_of(frame), target)
        if task is None and target is not None:
            task = tables.task_of(frame[target])
        space = self._space_for(frame, space, target=target, name=name or "table")
        semantic = {"name": name, "description": description, "task": task, "target": target}
        if labels:
            options |= {"target": target, "labels": "values" if task == "regression" else "classes"}
        rkme = specs.describe(frame if parts is None else parts, space, points=points, seed=seed, **options)
        return specs.Specification(space, rkme, {key: value for key, value in semantic.items() if value})

    def _space_for(self, frame: Any, space: specs.Space | str | None, *, target: str | None = None, name: str) -> specs.Space:
        """A Space as it is, the one with an id, or by the columns: one that they fit, and with "found" a new one of this name where none does."""
        if space is not None and space != "found":
            return self.space(space) if isinstance(space, str) else space
        try:
            return self.find_space(frame, target)
        except NotFound:
            if space != "found":
                raise
            return specs.Space.from_table(frame, name=name, target=target)

    # -- searching ------------------------------------------------------------------------------

    def search(self, q: str = "", **filters: Any) -> dict[str, Any]:
        """{"count", "facets", "results"}; filters: task, target, format, licence, owner, space, sort, page."""
        return self._wire.get("learnwares", q=q, **filters)

    def learnware(self, reference: str) -> dict[str, Any]:
        """A version by `owner/name@1.0.0`, the newest of a line by `owner/name@1` or `@1.2`, or the latest by `owner/name`. Offline, as it was last fetched."""
        owner, name, number = references.parts(reference)
        if number.count(".") < 2 and number:
            number = self._newest(owner, name, number)
            reference = f"{owner}/{name}@{number}"
        path = references.home(reference) + (f"/{number}" if number else "")
        found = self._remembered("learnwares", reference, lambda: self._wire.get(path), lasting=lambda version: version["status"] == "usable")
        if not self.offline and found["status"] == "usable":
            self.cache.keep("learnwares", found["reference"], found)
        return found

    def versions(self, reference: str) -> list[str]:
        """The numbers of a learnware's usable versions, newest number first; offline, of those that were fetched."""
        owner, name, _ = references.parts(reference)
        if self.offline:
            found = {kept["version"] for kept in self.cache.every("learnwares") if (kept["owner"], kept["name"]) == (owner, name)}
        else:
            refs = self._wire.get(f"/api/models/{quote(owner, safe='')}/{quote(name, safe='')}/refs")
            found = {tag["name"].removeprefix("v") for tag in refs["tags"]}
        return sorted(found, key=lambda number: tuple(int(part) for part in number.split(".")), reverse=True)

    def _newest(self, owner: str, name: str, line: str) -> str:
        numbers = self.versions(f"{owner}/{name}")
        found = next((number for number in numbers if number.startswith(f"{line}.")), None)
        if found is None and self.offline:
            raise Offline(f"{owner}/{name}@{line} is not in the cache, and the client is offline.", code="not-in-cache")
        if found is None:
            raise NotFound(f"{owner}/{name} has no version {line}.*; it has {', '.join(numbers[:10])}.", code="no-version", hint="Leave out the number for the latest.")
        return found

    def match(self, requirement: specs.Specification, *, top: int = 10, **filters: str) -> Match:
        """What fits a requirement: ranked singles and the best mixture. Filters: task, target, licence, format, q."""
        asked = {"specification": json.loads(requirement.to_bytes()), "top": top, "filters": {k: v for k, v in filters.items() if v}}
        return Match(self, self._wire.post("matches", json=asked), requirement)

    # -- talking --------------------------------------------------------------------------------

    def like(self, reference: str) -> int:
        """Like a learnware; returns how many do. Liking it twice is liking it once."""
        return self._wire.put(f"{references.home(reference)}/like", json={})["likes"]

    def unlike(self, reference: str) -> int:
        """Take a like back; returns how many are left."""
        return self._wire.delete(f"{references.home(reference)}/like")["likes"]

    def access(self, reference: str, words: str | None = None) -> str:
        """Where you stand with a gated learnware: open, none, waiting, granted or denied. With `words`, which say what for, its owner is asked first."""
        if words is not None:
            return self._wire.post(f"{references.home(reference)}/ask", json={"words": words})["state"]
        return self._wire.get(f"{references.home(reference)}/ask")["state"]

    def organisations(self) -> list[dict[str, Any]]:
        """The organisations that you belong to, with your role."""
        return self._wire.get("organisations")

    def notifications(self, *, unread: bool = False) -> list[dict[str, Any]]:
        """What you were told, newest first; `unread` leaves out what you have read."""
        return self._wire.get("notifications", unread="true" if unread else None)["results"]

    def requests(self, **filters: Any) -> dict[str, Any]:
        """The board of models that somebody asks for: {"count", "results", ...}; filters: q, task, target, space, state, sort, page."""
        return self._wire.get("requests", **filters)

    # -- offering -------------------------------------------------------------------------------

    def offer(
        self, model: Any, X_train: Any, y_train: Any, *, name: str, licence: str, version: str = "1.0.0", title: str = "", card: str = "",
        target: str | None = None, unit: str | None = None, task: str | None = None, classes: list[str] | None = None, takes: str | None = None,
        space: specs.Space | str | None = None, base: str | None = None, labels: bool = False, statistics: bool = False, wait: bool = True,
        seen: Seen | None = None,
    ) -> dict[str, Any]:
        """Export a fitted model, describe its training data, upload both and wait for the check; returns the version.

        `model` is a scikit-learn estimator that takes X_train's raw columns, a torch module from reuse.architectures that takes
        the coordinates of `space`, ONNX bytes, or the path of a model file. Rows of X_train stay here.
        `space`: a Space, the id of one, or "found", which None means too: one that the columns fit, else a new one.
        `statistics`: publish what RegMean and Fisher need to merge a torch module (second moments of its layers' inputs, squared gradients; of the first layer
        that is second moments of the data). Without them both work from the specification. Raises Refused with the reason when the market refuses it.
        """
        from moorage import offering

        with tempfile.TemporaryDirectory(prefix="moorage-offer-") as folder:
            bundle = offering.prepare(
                self, Path(folder), model, X_train, y_train, name=name, licence=licence, version=version, title=title, card=card, target=target,
                unit=unit, task=task, classes=classes, takes=takes, space=space, base=base, labels=labels, statistics=statistics,
            )
            return self.push(bundle, wait=wait, seen=seen)

    def push(self, folder: str | Path, *, visibility: str = "", wait: bool = True, seen: Seen | None = None, progress: Bars | None = None) -> dict[str, Any]:
        """Upload a folder with learnware.json, specification.json and the model file that learnware.json names; returns the version.

        All is checked before the first byte is sent. Files above 8 MB go up in parts: one that broke off, or was killed, goes on when the same push is
        run again. `visibility` is public or private, as the learnware has it when left out. `progress(words, done, total)` is told of hashing and sending.
        """
        from moorage import offering, uploading

        manifest, model, specification = offering.read(Path(folder), progress=progress)
        published = Path(folder) / "statistics.safetensors"
        files = {"model": model} | ({"statistics": published} if published.is_file() else {})
        words = {"visibility": visibility} if visibility else {}
        if max(path.stat().st_size for path in files.values()) <= uploading.LARGE:
            forms = {name: (path.name, path.read_bytes(), "application/octet-stream") for name, path in files.items()}
            forms |= {"manifest": ("learnware.json", json.dumps(manifest.to_json()).encode(), "application/json"), "specification": ("specification.json", specification, "application/json")}
            sent = self._wire.post("learnwares", data=words, files=forms)
        else:
            sent = self._push_large({"manifest": manifest.to_json(), "specification": json.loads(specification)} | words, files, {"model": manifest.model["sha256"]}, progress)
        return self.wait_for_check(sent["reference"], seen=seen) if wait else sent

    def _push_large(self, words: dict[str, Any], files: dict[str, Path], digests: dict[str, str], progress: Bars | None) -> dict[str, Any]:
        from moorage import uploading
        from moorage.http import digest

        self._wire.post("learnwares/check", json={name: words[name] for name in ("manifest", "specification")})
        ids = {}
        for field, path in files.items():
            digests[field] = digests.get(field) or digest(path)
            told = (lambda done, total, name=path.name: progress(f"Sending {name}", done, total)) if progress else None
            known = self._wire.get("uploads/known", sha256=digests[field], size=path.stat().st_size)
            if known["known"]:  # the market has these bytes, in a version that one may use
                ids[field] = known["name"]
                continue
            ids[field] = uploading.send(self._wire, self.cache, path, name=path.name, sha256=digests[field], progress=told)
        sent = self._wire.post("learnwares", json=words | ids)
        for sha256 in digests.values():
            self.cache.forget_upload(sha256)
        return sent

    def offer_predictor(self, folder: str | Path, name: str, *, licence: str = "", version: str = "1.0.0", title: str = "", card: str = "", wait: bool = True,
                        seen: Seen | None = None) -> dict[str, Any]:
        """Offer a predictor that was made here, or downloaded, as a new learnware of yours, with its parents and its scores.

        The licence is what its parts require unless a stricter one that goes with them is named.
        """
        from moorage import offering

        with tempfile.TemporaryDirectory(prefix="moorage-offer-") as scratch:
            return self.push(offering.of_predictor(Path(folder), Path(scratch), name=name, licence=licence, version=version, title=title, card=card), wait=wait, seen=seen)

    def wait_for_check(self, reference: str, *, timeout_s: float = CHECK_WAIT_S, seen: Seen | None = None) -> dict[str, Any]:
        """Wait until the market has checked a version; raises Refused with the reason when it was refused."""
        deadline = time.monotonic() + timeout_s
        while True:
            version = self.learnware(reference)
            if seen:
                seen(version)
            if version["status"] == "refused":
                why = version["status_reason"]
                raise Refused(f"{reference} was refused: {why['message']}", code=why["code"], hint=why["hint"])
            if version["status"] != "checking":
                return version
            if time.monotonic() > deadline:
                raise MarketError(f"{reference} is still being checked after {timeout_s:g} s.", code="still-checking",
                                  hint=f"Is a worker running? Look later: {self.url}{version['url']}")
            time.sleep(POLL_S)

    def download(self, reference: str, folder: str | Path, *, progress: Bars | None = None) -> Path:
        """Fetch a version's files through the cache; goes on where it broke off and verifies every SHA-256. Returns the folder.

        The files are hard links to the cache, so read-only, where the disk allows it, else copies. `progress(name, done, total)` in bytes.
        """
        version, folder = self.learnware(reference), Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for file in version["files"]:
            name = Path(file["name"]).name
            told = (lambda done, total, name=name: progress(name, done, total)) if progress else None
            if not file["sha256"]:  # learnware.json, which the version's document holds
                (folder / name).write_text(json.dumps(version["manifest"], indent=1, ensure_ascii=False))
                continue
            self.cache.fetch(file["sha256"], lambda path, file=file, told=told: self._fetch(version["reference"], file, path, told))
            self.cache.place(file["sha256"], folder / name)
            if told and file["size"]:
                told(file["size"], file["size"])
        return folder

    def _fetch(self, reference: str, file: dict[str, Any], path: Path, told: Callable[[int, int], None] | None) -> None:
        if self.offline:
            raise Offline(f"{file['name']} of {reference} is not in the cache, and the client is offline.", code="not-in-cache")
        self._wire.download(file["url"], path, sha256=file["sha256"], progress=told)

    def predict(self, reference: str, frame: Any, *, progress: Bars | None = None) -> Any:
        """Predict a table's rows with a learnware of the market, on this machine; returns a reuse.predictor.Prediction. Needs `moorage[reuse]`."""
        from moorage import predicting

        with tempfile.TemporaryDirectory(prefix="moorage-predict-") as folder:
            return predicting.predict(self.download(reference, folder, progress=progress), frame)

    def _remembered(self, kind: str, name: str, fetch: Callable[[], Any], lasting: Callable[[Any], bool] = lambda document: True) -> Any:
        """What the market says, which is kept; offline, what was kept."""
        if not self.offline:
            document = fetch()
            if lasting(document):
                self.cache.keep(kind, name, document)
            return document
        if (document := self.cache.kept(kind, name)) is None:
            raise Offline(f"{name} is not in the cache, and the client is offline.", code="not-in-cache")
        return document

    # -- reusing --------------------------------------------------------------------------------

    def methods(self) -> list[dict[str, Any]]:
        """The ways of reuse that a worker offers: [{"method", "kind", "title", "doc", "params", "needs_labels", "needs_family"}]."""
        return self._wire.get("methods")

    def reuse(
        self, wanted: Any, *, data: Any = None, target: str | None = None, method: str = "auto", params: dict[str, Any] | None = None,
        members: list[dict[str, Any]] | None = None, rows: Any = None, top: int = 10,
    ) -> Job:
        """Ask the market for one predictor of what fits; returns the job, which runs there.

        `wanted` is a Match or a requirement (which is matched first). `data` are labelled rows (DataFrame or CSV path) with the
        column `target`; they are sent, so that methods can be compared on them. `rows` are rows without labels, to distil on and to see how far
        members disagree; they are sent too. Without both nothing leaves but the requirement.
        """
        match = wanted if isinstance(wanted, Match) else self.match(wanted, top=top, target=target or "")
        target = target or match.semantic.get("target")
        asked: dict[str, Any] = {"method": method, "params": params or {}, "target": target or ""}
        asked |= {"members": members} if members else {"match": match.id}
        files = {name: (f"{name}.csv", tables.csv_of(table, target if name == "data" else None), "text/csv") for name, table in (("data", data), ("rows", rows)) if table is not None}
        if not files:
            return Job(self, self._wire.post("jobs", json=asked))
        form = {key: value if isinstance(value, str) else json.dumps(value) for key, value in asked.items()}
        return Job(self, self._wire.post("jobs", data=form, files=files))

    def reuse_here(self, wanted: Any, out: str | Path, *, data: Any = None, target: str | None = None, rows: Any = None, method: str = "auto",
                   params: dict[str, Any] | None = None, top: int = 10, budget_s: float = 600.0, seen: Callable[[str, float], None] | None = None) -> Any:
        """The same reuse on this machine, into the new folder `out`: the models are fetched and no row leaves.

        Takes what `reuse` takes; returns {folder, evidence, lineage}. `budget_s` bounds how long methods are compared. Needs `moorage[reuse]`.
        """
        from moorage import local

        match = wanted if isinstance(wanted, Match) else self.match(wanted, top=top, target=target or "")
        return local.reuse(self, match, out, data=data, target=target or match.semantic.get("target"), rows=rows, method=method, params=params,
                           budget_s=budget_s, seen=seen or (lambda words, done: None))

    def jobs(self) -> list[dict[str, Any]]:
        """Your jobs, newest first."""
        return self._wire.get("jobs")["results"]

    def job(self, job_id: str) -> Job:
        """A job of yours by its id; raises NotFound for somebody else's."""
        return Job(self, self._wire.get(f"jobs/{job_id}"))


def _near(space: dict[str, Any]) -> str:
    parts = [f"{word} {', '.join(space[key][:5])}{' …' if len(space[key]) > 5 else ''}" for key, word in (("missing", "lacks"), ("wrong_type", "has words for numbers in")) if space[key]]
    extra = f"; yours besides: {', '.join(space['extra'][:5])}" if space["extra"] else ""
    return f" Nearest is {space['name']!r}: your table {' and '.join(parts)}{extra}."
