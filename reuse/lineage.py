"""What a result is made of, and under which licence it may be passed on."""

from typing import Any

from reuse.plan import Member, Plan

# From what asks least to what asks most of whoever passes a work on.
STRICTNESS = (
    "CC0-1.0", "MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "CC-BY-4.0", "MPL-2.0", "LGPL-3.0", "GPL-2.0", "GPL-3.0",
    "AGPL-3.0", "CC-BY-SA-4.0", "ODbL-1.0", "CC-BY-NC-4.0",
)
COPYLEFT = {"LGPL-3.0", "GPL-2.0", "GPL-3.0", "AGPL-3.0", "CC-BY-SA-4.0", "ODbL-1.0"}
TOGETHER = {frozenset(pair) for pair in (("LGPL-3.0", "GPL-3.0"), ("LGPL-3.0", "AGPL-3.0"), ("GPL-3.0", "AGPL-3.0"), ("CC-BY-SA-4.0", "GPL-3.0"))}


def licence(parts: list[str]) -> str | None:
    """The licence of a work made of parts: the strictest of theirs, or None when no licence satisfies all.

    Copyleft licences go together only where one names the other; a non-commercial part goes with none of them; GPL 2 alone does not
    go with Apache 2 (gnu.org/licenses/license-list, "Apache License 2.0").
    """
    held = set(parts)
    shared = sorted(held & COPYLEFT)
    if any(frozenset((a, b)) not in TOGETHER for i, a in enumerate(shared) for b in shared[i + 1 :]):
        return None
    if "CC-BY-NC-4.0" in held and shared or {"GPL-2.0", "Apache-2.0"} <= held:
        return None
    return max(held, key=STRICTNESS.index) if held else "CC0-1.0"


def of(plan: Plan, used: list[Member], method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Members with versions and digests, method, parameters, seed, licence."""
    return {
        "method": method,
        "params": params,
        "seed": plan.seed,
        "licence": licence([member.licence for member in used]),
        "members": [
            {"reference": m.reference, "sha256": m.manifest.model["sha256"], "licence": m.licence, "weight": round(float(m.weight), 6)} for m in used
        ],
        "labelled_rows": len(plan.data.target) if plan.data else 0,
    }
