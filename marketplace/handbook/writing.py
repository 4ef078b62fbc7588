"""The pages of docs/ that follow the code: every method with its evidence, every endpoint with its fields."""

import json
import re
from typing import Any

from drf_spectacular.generators import SchemaGenerator

from marketplace.handbook.reading import FOLDER
from reuse import registry

EVIDENCE = FOLDER / "evidence.json"
KINDS = {
    "auto": ("Auto", "What a job takes unless you say otherwise."),
    "ensemble": ("Ensembles", "The members stay as they are, of any format; their answers are combined, aligned by class names. A class that a member never saw is unknown to it, not improbable."),
    "merge": ("Merges", "One model out of several that share a base and an architecture (safetensors). As quick to run as one of them. Models of different origin are refused: their averaged weights answer at chance."),
    "finetune": ("Fine-tuning", "One safetensors model goes on learning on your labelled rows."),
    "distil": ("Distillation", "One small network in place of an ensemble."),
    "scratch": ("From scratch", "The yardstick: what your labels alone can train."),
}
VERBS = ("get", "post", "put", "patch", "delete")


def methods() -> str:
    """docs/methods.md."""
    evidence = json.loads(EVIDENCE.read_text())
    lines = ["# Every method, with its evidence", "",
             "What each way of reuse does, what may be set, and what was measured: [the whole tables](benchmarks/reuse.md). A method that earned its place in no experiment of ours says so; it is here "
             "because its users look for it. This page is written from the code (`manage.py write_reference`).", ""]
    for kind, (title, words) in KINDS.items():
        lines += [f"## {title}", "", words, ""]
        for method in (one for one in registry.every() if one.kind == kind):
            lines += [f"### {method.address}", "", f"**{method.title}.** {' '.join(method.doc.split())}", ""]
            needs = [said for said, true in (("labelled rows", method.needs_labels), ("models of one merge family", method.needs_family), (f"statistics ({method.needs_statistics}), published or from the specification", bool(method.needs_statistics))) if true]
            params = ", ".join(f"`{name}` = {json.dumps(rule['default'])}" for name, rule in method.params.items())
            if needs:
                lines += [f"Needs {' and '.join(needs)}." + (f" Parameters: {params}." if params else ""), ""]
            elif params:
                lines += [f"Parameters: {params}.", ""]
            lines += [f"Measured: {evidence[method.address]}", ""]
    return "\n".join(lines).rstrip() + "\n"


def rest() -> str:
    """docs/rest.md."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    lines = ["# REST reference", "",
             "Everything under `/api/v1/`; the same as an [OpenAPI file](/api/schema/), and to try out in the [browser](/api/docs/). Send `Authorization: Token moor_…` (from `moorage login` or the tokens page). "
             "Reading what is public needs no token. This page is written from the code (`manage.py write_reference`).", "",
             "## Errors", "",
             "Every error is JSON: `code` (stable, for programs), `message` (what, the rule, what came), `hint` (what to do next), `request_id`, and `fields` where fields are wrong. "
             "401: not signed in. 403: not allowed, or gated. 404: not there, or not yours to see. 409: not in this state. 413: longer than this address takes. "
             "422: the input breaks a rule. 429 (too often) and 503 (more is asked of the market than it can answer, or something that it needs is away) carry `Retry-After`, 507 says that there is no room.", "",
             "## Limits", "",
             "As a market comes; who runs one may set others. Searches with data: 60 a minute for each address, 300 for each person who is signed in; without an account 20 MB of requirements an hour. Trials: 30 a minute. "
             "Jobs: 20 of one person that wait or run. A body: 33 MB; offers, jobs and the parts of uploads as much as their files may have. JSON: 500,000 commas, lists and objects, of which a list or an object counts ten.", ""]
    by_tag: dict[str, list[tuple[str, str, dict]]] = {}
    for path, verbs in schema["paths"].items():
        for verb in VERBS:
            if verb in verbs:
                by_tag.setdefault((verbs[verb].get("tags") or ["other"])[0], []).append((path, verb, verbs[verb]))
    for tag in sorted(by_tag):
        lines += [f"## {tag.capitalize()}", ""]
        for path, verb, operation in by_tag[tag]:
            lines += [f"### {verb.upper()} {path}", "", " ".join((operation.get("description") or operation.get("summary") or "").split()), ""]
            lines += _parameters(operation, schema)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _parameters(operation: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    query = [f"`{p['name']}`" for p in operation.get("parameters", []) if p["in"] == "query"]
    lines = [f"Query: {', '.join(query)}.", ""] if query else []
    for kind, content in (operation.get("requestBody", {}).get("content") or {}).items():
        fields = _fields(content.get("schema", {}), schema)
        if fields:
            lines += [f"Send ({kind}): {', '.join(fields)}.", ""]
            break
    for status, answer in sorted((operation.get("responses") or {}).items()):
        content = next(iter((answer.get("content") or {}).values()), None)
        fields = _fields(content.get("schema", {}), schema) if content else []
        lines += [f"Answers {status}" + (f": {', '.join(fields)}." if fields else "."), ""]
    return lines


def _fields(part: dict[str, Any], schema: dict[str, Any], depth: int = 0) -> list[str]:
    if "$ref" in part:
        part = schema["components"]["schemas"][part["$ref"].rpartition("/")[2]]
    if part.get("type") == "array" and depth == 0:
        return [f"a list of {field}" if i == 0 else field for i, field in enumerate(_fields(part["items"], schema, 1))]
    needed = set(part.get("required", ()))
    return [f"`{name}`" + ("" if name in needed or rule.get("readOnly") else " (optional)") for name, rule in (part.get("properties") or {}).items()]
