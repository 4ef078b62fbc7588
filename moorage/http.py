"""The wire: JSON and files over httpx2, retries where they are safe, and every complaint as a typed exception."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx

from moorage import errors
from moorage.credentials import Credentials

RETRIES = 3
TIMEOUT = httpx.Timeout(60.0, connect=5.0)
Progress = Callable[[int, int], None]


class Wire:
    """One market over HTTP, in one person's name."""

    def __init__(self, credentials: Credentials, transport: Any = None) -> None:
        self.credentials = credentials
        headers = {"Accept": "application/json", "User-Agent": "moorage-client/0.1"}
        if credentials.token:
            headers["Authorization"] = f"Token {credentials.token}"
        self._client = httpx.Client(base_url=credentials.url, headers=headers, timeout=TIMEOUT, transport=transport)

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of a GET; empty parameters are left out, a broken connection is tried again."""
        given = {key: value for key, value in params.items() if value not in (None, "")}
        return self._answer("GET", path, params=given)

    def text(self, path: str) -> str:
        """The text of a GET."""
        answer = self._client.request("GET", self._path(path), headers={"Accept": "text/*"})
        if answer.status_code >= 400:
            raise self._complaint(answer)
        return answer.text

    def post(self, path: str, **content: Any) -> Any:
        """The JSON of a POST, sent once."""
        return self._answer("POST", path, **content)

    def delete(self, path: str) -> None:
        """Send a DELETE."""
        self._answer("DELETE", path)

    def download(self, path: str, target: Path, *, sha256: str = "", progress: Progress | None = None) -> Path:
        """Fetch a file to `target`; goes on where an earlier attempt broke off, and verifies the SHA-256."""
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        for attempt in range(RETRIES):
            begin = part.stat().st_size if part.exists() else 0
            headers = {"Range": f"bytes={begin}-"} if begin else {}
            if begin and sha256:
                headers["If-Range"] = f'"{sha256}"'
            try:
                with self._client.stream("GET", self._path(path), headers=headers) as answer:
                    if answer.status_code == 416:
                        part.unlink(missing_ok=True)
                        continue
                    if answer.status_code >= 400:
                        answer.read()
                        raise self._complaint(answer)
                    appending = answer.status_code == 206
                    total = int(answer.headers.get("Content-Length", 0)) + (begin if appending else 0)
                    with part.open("ab" if appending else "wb") as file:
                        done = file.tell()
                        for piece in answer.iter_bytes():
                            file.write(piece)
                            done += len(piece)
                            if progress:
                                progress(done, total)
                break
            except httpx.TransportError as error:
                if attempt == RETRIES - 1:
                    raise self._unreachable(error) from None
                time.sleep(0.3 * 2**attempt)
        if sha256:
            with part.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                part.unlink()
                raise errors.MarketError(f"{target.name} arrived damaged: its SHA-256 is not the one announced.", code="damaged", hint="Download it again.")
        part.replace(target)
        return target

    def _answer(self, method: str, path: str, **content: Any) -> Any:
        for attempt in range(RETRIES):
            try:
                answer = self._client.request(method, self._path(path), **content)
            except httpx.TransportError as error:
                if method == "GET" and attempt < RETRIES - 1:
                    time.sleep(0.3 * 2**attempt)
                    continue
                raise self._unreachable(error) from None
            if answer.status_code == 503 and method == "GET" and attempt < RETRIES - 1:
                time.sleep(float(answer.headers.get("Retry-After", 1)))
                continue
            break
        if answer.status_code >= 400:
            raise self._complaint(answer)
        if answer.status_code == 204 or not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise errors.MarketError(f"{self.credentials.url} answered, but not as a market does.", code="no-market", hint="Check --url.") from None

    def _path(self, path: str) -> str:
        return path if path.startswith("/") else f"/api/v1/{path}"

    def _unreachable(self, error: Exception) -> errors.MarketError:
        return errors.MarketUnreachable(
            f"No market answers at {self.credentials.url} ({type(error).__name__}).", code="unreachable",
            hint="Start one with `python3 run.py`, or name another with --url or MOORAGE_URL.",
        )

    def _complaint(self, answer: Any) -> errors.MarketError:
        try:
            said = answer.json()
        except ValueError:
            said = {}
        if not isinstance(said, dict) or "message" not in said:
            said = {"code": f"http-{answer.status_code}", "message": f"The market answered with status {answer.status_code}."}
        kind = errors.BY_STATUS.get(answer.status_code, errors.Refused if answer.status_code < 500 else errors.MarketError)
        hint = said.get("hint", "")
        if kind is errors.NotSignedIn and not self.credentials.token:
            hint = "Sign in first: moorage login"
        return kind(said["message"], code=said.get("code", ""), hint=hint, request_id=said.get("request_id", ""), fields=said.get("fields"))
