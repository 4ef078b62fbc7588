"""Many clients at once: 80 % search, 15 % a learnware's page and detail, 4 % download, 1 % upload; by wrk (apt install wrk), on loopback, for a time that is given.

    python -m tests.soak.load --clients 200 --seconds 600 --think 5 [--services redis]

A client thinks between an answer and its next request, for times of an exponential law with the mean that is given; at 0 nobody thinks, and the clients are as many requests that wait at once.
Exits 1 where an answer was a 5xx (but a 503 that says so), reads took longer than p95 500 ms or p99 1.5 s, or the web's memory grew by more than a tenth in the second half.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tests.journeys import models
from tests.soak.market import Market, children, light_market

# Each of wrk's threads has a Lua of its own: numbers come together at the end, as globals of the threads.
SCRIPT = """
local threads = {}
function setup(thread) thread:set("id", #threads); table.insert(threads, thread) end
function init(args) math.randomseed(1000 + id); ok = 0; busy = 0; refused = 0; broken = 0; number = 0; last = "" end
local SEARCH = [==[%(search)s]==]
local json = {["Content-Type"] = "application/json"}
function request()
    local draw = math.random(100)
    number = number + 1
    if draw <= 80 then return wrk.format("POST", "/api/v1/matches", json, SEARCH) end
    if draw <= 95 then return wrk.format("GET", draw %% 2 == 0 and "/api/v1/learnwares/%(detail)s" or "/learnwares/%(page)s/") end
    if draw <= 99 then return wrk.format("GET", "/api/v1/learnwares/%(detail)s/files/%(file)s") end
    return wrk.format("POST", "/api/v1/uploads", {["Authorization"] = "%(token)s", ["Tus-Resumable"] = "1.0.0", ["Upload-Length"] = tostring(1000 + number)}, "")
end
function delay() return -math.log(1 - math.random()) * %(think)d end
function response(status, headers, body)
    if status == 503 or status == 429 or status == 507 then busy = busy + 1 elseif status >= 500 then broken = broken + 1; last = status .. " " .. body:sub(1, 200)
    elseif status >= 400 then refused = refused + 1; last = status .. " " .. body:sub(1, 200) else ok = ok + 1 end
end
function done(summary, latency, requests)
    local sum = {ok = 0, busy = 0, refused = 0, broken = 0}
    local said = ""
    for _, thread in ipairs(threads) do
        for name in pairs(sum) do sum[name] = sum[name] + thread:get(name) end
        if thread:get("last") ~= "" then said = thread:get("last") end
    end
    io.write(string.format('\\nRESULT {"requests": %%d, "seconds": %%.1f, "ok": %%d, "busy": %%d, "refused": %%d, "broken": %%d, "p50_ms": %%.0f, "p95_ms": %%.0f, "p99_ms": %%.0f, "connect_errors": %%d, "timeouts": %%d}\\n',
        summary.requests, summary.duration / 1e6, sum.ok, sum.busy, sum.refused, sum.broken, latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,
        summary.errors.connect + summary.errors.read + summary.errors.write, summary.errors.timeout))
    io.write("LAST " .. said:gsub("\\n", " ") .. "\\n")
end
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--think", type=float, default=5.0, help="seconds, in the mean")
    parser.add_argument("--services", choices=("none", "redis"), default="none")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="of the web, as deploy/ starts several")
    parser.add_argument("--threads", type=int, default=2, help="of each process, as deploy/ sets it")
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.error("wrk is needed: apt install wrk")
    with light_market(asked.services, concurrency=1, processes=asked.processes, MOORAGE_WEB_THREADS=str(asked.threads), MOORAGE_UPLOADS_UNFINISHED="1000000", MOORAGE_UPLOAD_MB_EACH="100000") as market:
        found = _run(market, asked.clients, asked.seconds, asked.think)
    good = found["broken"] == found["refused"] == 0 and found["p95_ms"] <= 500 and found["p99_ms"] <= 1500 and found["grown"] < 0.1
    print(json.dumps({"clients": asked.clients, "think_s": asked.think, "processes": asked.processes, "threads": asked.threads, "services": asked.services} | found | {"good": good}))
    return 0 if good else 1


def _run(market: Market, clients: int, seconds: int, think: float) -> dict:
    reference = market.members[0]["reference"]
    owner, _, rest = reference.partition("/")
    name, _, number = rest.partition("@")
    row = market.bob.get(f"learnwares/{owner}/{name}/{number}").json()
    text = SCRIPT % {"search": json.dumps({"specification": models.requirement(models.everything())}), "detail": f"{owner}/{name}/{number}", "page": f"{owner}/{name}",
                     "file": row["manifest"]["model"]["file"], "token": market.bob.headers["Authorization"], "think": round(1000 * think)}
    memory: list[float] = []
    over = threading.Event()
    watching = threading.Thread(target=_weigh, args=(market.site._web.pid, memory, over), daemon=True)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(text)
        script.flush()
        command = ["wrk", "--threads", "1", "--latency", "--timeout", "30s", "--script", script.name]
        subprocess.run([*command, "--connections", "4", "--duration", "5s", market.site.url], capture_output=True, check=True)  # indexes and templates are loaded once
        watching.start()
        done = subprocess.run([*command, "--connections", str(clients), "--duration", f"{seconds}s", market.site.url], capture_output=True, text=True, check=True)
    over.set()
    lines = done.stdout.splitlines()
    found = json.loads(next(line for line in lines if line.startswith("RESULT ")).removeprefix("RESULT "))
    half = memory[len(memory) // 2 :]
    return found | {"per_second": round(found["requests"] / found["seconds"]), "last": next(line for line in lines if line.startswith("LAST ")).removeprefix("LAST ")[:200],
                    "rss_mb": round(memory[-1]), "grown": round(half[-1] / half[0] - 1, 3)}


def _weigh(pid: int, memory: list[float], over: threading.Event) -> None:
    """Megabytes of the web's processes together, each second."""
    while not over.wait(1):
        memory.append(sum(_resident(one) for one in [pid, *children(pid)]))


def _resident(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    sys.exit(main())
