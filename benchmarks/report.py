"""What every benchmark shares: its arguments, what it says of the machine, the table and the JSON line."""

import argparse
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """`ours` against `peer` (another tool or way on the same input) or `limit` (what is possible); `ratio` is ours over that."""

    case: str
    metric: str
    unit: str
    ours: float
    peer: float | None = None
    limit: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        against = self.peer if self.peer is not None else self.limit
        return self.ours / against if against else None


def main(name: str, run: Callable[[argparse.Namespace], list[Row]], *, doc: str, packages: tuple[str, ...], more: Callable[[Any], None] = lambda parser: None) -> None:
    """Parse --quick, --json, --seeds and what `more` adds; run; print the table, or one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=doc.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="within a minute on 2 cores")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--seeds", type=int, default=0, help="how many repetitions (a default of its own)")
    more(parser)
    arguments = parser.parse_args()
    rows = run(arguments)
    if arguments.json:
        found = [asdict(row) | {"ratio": row.ratio} for row in rows]
        print(json.dumps({"name": name, "rows": found, "versions": versions(packages), "machine": machine()}))
        return
    print(table(rows))
    print(f"\n{machine()}; " + ", ".join(f"{key} {value}" for key, value in versions(packages).items()))


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| case | metric | ours | peer or limit | ratio | |", "| --- | --- | ---: | ---: | ---: | --- |"]
    for row in rows:
        against = row.peer if row.peer is not None else row.limit
        unit = f" {row.unit}" if row.unit else ""
        lines.append(f"| {row.case} | {row.metric}{unit} | {figure(row.ours)} | {figure(against)} | {figure(row.ratio)} | {row.note} |")
    return "\n".join(lines)


def figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}


def machine() -> str:
    model = next((line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine())
    return f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores, {model}, {platform.system()}"


def _cpuinfo() -> list[str]:
    try:
        with open("/proc/cpuinfo") as file:
            return file.readlines()
    except OSError:
        return []
