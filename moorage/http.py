"""The wire: JSON and files over HTTP, waiting where it helps, and every complaint as a typed exception.

urllib3 is the one package that this brings (docs/decisions/0009-what-the-client-brings.md).
"""

import email.utils
import hashlib
import json as jsonlib
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3

from moorage import errors
from moorage.credentials import Credentials

TRIES = 4
PATIENCE_S = 60.0  # the longest Retry-After that is waited for
TIMEOUT = urllib3.Timeout(connect=5.0, read=60.0)
SAFE = ("GET", "HEAD")  # asking twice is asking once
BUSY = (429, 502, 503, 504)
PART = 1 << 18
Progress = Callable[[int, int], None]
Files = dict[str, tuple[str, bytes, str]]


class Wire:
    """One market over HTTP, in one person's name. `transport` stands in for urllib3's pool; offline, every request raises Offline."""

    def __init__(self, credentials: Credentials, transport: Any = None, *, offline: bool = False) -> None:
        self.credentials, self.offline = credentials, offline
        self._pool = transport or _pool(credentials.url)
        self._headers = {"Accept": "application/json", "User-Agent": "moorage-client/0.1"}
        if credentials.token:
            self._headers["Authorization"] = f"Token {credentials.token}"

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of a GET; empty parameters are left out, a broken connection and a busy market are tried again."""
        given = {key: value for key, value in params.items() if value not in (None, "")}
        return self._document(self.request("GET", path + (f"?{urlencode(given, doseq=True)}" if given else "")))

    def text(self, path: str) -> str:
        """The text of a GET."""
        return self.request("GET", path, headers={"Accept": "text/*"}).data.decode("utf-8", "replace")

    def post(self, path: str, *, json: Any = None, data: dict[str, str] | None = None, files: Files | None = None) -> Any:
        """The JSON of a POST, sent once: a JSON document, or a form of texts and files {field: (name, bytes, type)}."""
        if files or data:
            fields = [*(data or {}).items(), *(files or {}).items()]
            return self._document(self.request("POST", path, fields=fields))
        body = jsonlib.dumps(json, allow_nan=False).encode() if json is not None else None
        return self._document(self.request("POST", path, body=body, headers={"Content-Type": "application/json"} if body is not None else {}))

    def put(self, path: str, *, json: Any = None) -> Any:
        """The JSON of a PUT, sent once."""
        return self._document(self.request("PUT", path, body=jsonlib.dumps(json, allow_nan=False).encode(), headers={"Content-Type": "application/json"}))

    def delete(self, path: str) -> Any:
        """The JSON of a DELETE, if it answers any."""
        return self._document(self.request("DELETE", path))

    def request(self, method: str, path: str, *, headers: dict[str, str] | None = None, tries: int | None = None, **content: Any) -> Any:
        """The answer, read whole; raises the exception that fits for a status of 400 and above, Unreachable where nobody answers.

        GET and HEAD are tried again after a broken connection and when the market says that it is busy, as long after as it says. What changes
        something is sent once.
        """
        tries = tries or (TRIES if method in SAFE else 1)
        for attempt in range(tries):
            last = attempt == tries - 1
            try:
                with self._sent(method, path, headers, **content) as answer:
                    answer.read(decode_content=True, cache_content=True)
            except urllib3.exceptions.HTTPError as error:
                if last:
                    raise self.unreachable(error) from None
                time.sleep(0.3 * 2**attempt)
                continue
            if answer.status in BUSY and not last and (wait := retry_after(answer, 0.5 * 2**attempt)) <= PATIENCE_S:
                time.sleep(wait)
                continue
            break
        if answer.status >= 300:
            raise self.complaint(answer)
        return answer

    def download(self, path: str, target: Path, *, sha256: str = "", progress: Progress | None = None) -> Path:
        """Fetch a file to `target`; goes on where an earlier attempt broke off, and verifies the SHA-256."""
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            begin = part.stat().st_size if part.exists() else 0
            headers = {"Accept": "*/*", "Accept-Encoding": "identity"} | ({"Range": f"bytes={begin}-"} if begin else {})
            if begin and sha256:
                headers["If-Range"] = f'"{sha256}"'
            try:
                with self._sent("GET", path, headers) as answer:
                    if answer.status == 416:
                        part.unlink(missing_ok=True)
                        continue
                    if answer.status in BUSY and not last and (wait := retry_after(answer, 0.5 * 2**attempt)) <= PATIENCE_S:
                        time.sleep(wait)
                        continue
                    if answer.status >= 300:
                        answer.read(decode_content=True, cache_content=True)
                        raise self.complaint(answer)
                    _receive(answer, part, begin, progress)
                break
            except urllib3.exceptions.HTTPError as error:
                if last:
                    raise self.unreachable(error) from None
                time.sleep(0.3 * 2**attempt)
        if sha256 and digest(part) != sha256:
            part.unlink(missing_ok=True)
            raise errors.Damaged(f"{target.name} arrived damaged: its SHA-256 is not the one announced.", code="damaged", hint="Download it again.")
        part.replace(target)
        return target

    def unreachable(self, error: Exception) -> errors.MarketError:
        """The exception for a market that does not answer."""
        return errors.Unreachable(f"No market answers at {self.credentials.url} ({type(error).__name__}).", code="unreachable")

    def complaint(self, answer: Any) -> errors.MarketError:
        """The exception for an answer that is none of what was asked for."""
        if answer.status < 400:
            return errors.Refused(f"{self.credentials.url} sends us to {answer.headers.get('Location', 'another address')}.", code="moved", hint="Name that address with --url or MOORAGE_URL.")
        try:
            said = jsonlib.loads(answer.data)
        except ValueError:
            said = {}
        named = retry_after(answer, 0.0) or None
        return errors.of_answer(answer.status, said, signed_in=bool(self.credentials.token), retry_after=named)

    @contextmanager
    def _sent(self, method: str, path: str, headers: dict[str, str] | None = None, **content: Any) -> Iterator[Any]:
        if self.offline:
            raise errors.Offline("This needs the market, and the client is offline.", code="offline")
        url = self.credentials.url + (path if path.startswith("/") else f"/api/v1/{path}")
        answer = self._pool.request(method, url, headers=self._headers | (headers or {}), timeout=TIMEOUT, retries=False, redirect=False, preload_content=False, **content)
        try:
            yield answer
        finally:
            answer.close()
            answer.release_conn()

    def _document(self, answer: Any) -> Any:
        if answer.status == 204 or not answer.data:
            return None
        try:
            return jsonlib.loads(answer.data)
        except ValueError:
            raise errors.MarketError(f"{self.credentials.url} answered, but not as a market does.", code="no-market", hint="Check --url.") from None


def retry_after(answer: Any, otherwise: float) -> float:
    """Seconds that an answer asks to wait: a number or a date; `otherwise` where it names none."""
    text = answer.headers.get("Retry-After", "").strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return otherwise


def digest(path: Path, progress: Progress | None = None) -> str:
    """The SHA-256 of a file, in hex; `progress(done, total)` as it is read."""
    found, done, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        for piece in pieces(file):
            found.update(piece)
            done += len(piece)
            if progress:
                progress(done, total)
    return found.hexdigest()


def pieces(file: Any, size: int = 1 << 20) -> Iterable[bytes]:
    """A file in pieces."""
    return iter(lambda: file.read(size), b"")


def _receive(answer: Any, part: Path, begin: int, progress: Progress | None) -> None:
    appending = answer.status == 206
    total = int(answer.headers.get("Content-Length", 0)) + (begin if appending else 0)
    with part.open("ab" if appending else "wb") as file:
        done = file.tell()
        while piece := answer.read1(PART):  # whatever has come: a line that breaks loses none of it
            file.write(piece)
            done += len(piece)
            if progress:
                progress(done, total)


def _pool(url: str) -> urllib3.PoolManager:
    """Connections to the market: through the proxy that the environment names, unless it excepts this host."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        return urllib3.ProxyManager(proxy if "://" in proxy else f"http://{proxy}", maxsize=4)
    return urllib3.PoolManager(maxsize=4)
