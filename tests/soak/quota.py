"""Room for so many uploads and not one more, and uploads that are cut again and again.

    python -m tests.soak.quota --parallel 50 --room 10 --resumed 50

Fifty uploads begin at once where ten fit: exactly ten are let in. Then each of many uploads is sent in pieces whose connection is cut at random bytes, with the web killed now and then: each ends
with the right SHA-256. Exits 1 on a miss.
"""

import argparse
import base64
import hashlib
import json
import random
import socket
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx2

from tests.soak.market import Market, light_market

TUS = {"Tus-Resumable": "1.0.0"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parallel", type=int, default=50)
    parser.add_argument("--room", type=int, default=10)
    parser.add_argument("--resumed", type=int, default=50)
    parser.add_argument("--services", choices=("none", "redis"), default="none")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with light_market(asked.services, concurrency=1, MOORAGE_UPLOADS_UNFINISHED="1000", MOORAGE_UPLOAD_MB_EACH=str(asked.room)) as market:
        found = _race(market, asked.parallel) | _resumed(market, asked.resumed, random.Random(asked.seed))
    good = found["let_in"] == asked.room and found["right"] == asked.resumed
    print(json.dumps(found | {"good": good}))
    return 0 if good else 1


def _begin(market: Market, size: int, sha256: str = "") -> httpx2.Response:
    said = {"Upload-Metadata": f"sha256 {base64.b64encode(sha256.encode()).decode()}"} if sha256 else {}
    return market.bob.post("uploads", headers=TUS | {"Upload-Length": str(size)} | said)


def _race(market: Market, parallel: int) -> dict:
    with ThreadPoolExecutor(parallel) as pool:
        answers = list(pool.map(lambda _: _begin(market, 1 << 20), range(parallel)))
    for answer in answers:
        if answer.status_code == 201:
            market.bob.delete(market.site.url + answer.headers["Location"], headers=TUS)
    counted = Counter(answer.status_code for answer in answers)
    return {"parallel": parallel, "let_in": counted[201], "answers": dict(counted)}


def _resumed(market: Market, many: int, chance: random.Random) -> dict:
    right, cuts, kills = 0, 0, 0
    for _number in range(many):
        content = chance.randbytes(chance.randrange(50_000, 900_000))
        digest = hashlib.sha256(content).hexdigest()
        where = market.site.url + _begin(market, len(content), digest).headers["Location"]
        while (at := _standing(market, where)) < len(content):
            cut = chance.random() < 0.6
            sent = content[at : at + chance.randrange(1, len(content))] if cut else content[at:]
            _send(market, where, at, sent, len(content) - at, cut)
            cuts += cut
            if chance.random() < 0.02:
                market.site.kill_web()
                market.site.start_web()
                kills += 1
        row = market.bob.get(where).json()
        right += row["offset"] == len(content) and _kept(market, where) == digest
        market.bob.delete(where, headers=TUS)
    return {"resumed": many, "cuts": cuts, "web_kills": kills, "right": right}


def _standing(market: Market, where: str) -> int:
    until = time.monotonic() + 60
    while True:
        try:
            answer = market.bob.head(where, headers=TUS)
            answer.raise_for_status()
            return int(answer.headers["Upload-Offset"])
        except httpx2.HTTPError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def _send(market: Market, where: str, at: int, content: bytes, announced: int, cut: bool) -> None:
    """One PATCH over a socket of its own, so that it can be cut in the middle of its body."""
    parts = urlsplit(market.site.url)
    head = (f"PATCH {urlsplit(where).path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: {market.bob.headers['Authorization']}\r\nTus-Resumable: 1.0.0\r\n"
            f"Upload-Offset: {at}\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: {announced if cut else len(content)}\r\nConnection: close\r\n\r\n")
    try:
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as line:
            line.sendall(head.encode() + content)
            if not cut:
                while line.recv(65536):
                    pass
    except OSError:
        pass  # the web was killed, or answered before all was sent


def _kept(market: Market, where: str) -> str:
    path = market.site.home / "uploads" / where.rstrip("/").rpartition("/")[2]
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
