"""docs/reasons.md lists every code that a file can be refused with, and no other."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFUSERS = [
    *(ROOT / "reuse/formats").glob("*.py"), *(ROOT / "reuse/architectures").glob("*.py"), *(ROOT / "reuse/sandbox").glob("*.py"),
    *(ROOT / name for name in (
        "reuse/trees.py", "reuse/arrays.py", "reuse/boosted.py", "reuse/predictor.py", "reuse/manifest.py", "reuse/weights/statistics.py", "specs/strict_json.py", "specs/strict_zip.py",
        "specs/specification.py", "specs/packed.py", "specs/rkme.py", "specs/space.py", "specs/labels.py", "specs/checks.py", "marketplace/catalog/services.py", "marketplace/catalog/uploading.py",
        "marketplace/catalog/quota.py",
        "marketplace/catalog/tus.py", "marketplace/catalog/opening.py", "marketplace/catalog/worker.py", "marketplace/catalog/mending.py", "marketplace/catalog/api.py",
    )),
]
CODE = re.compile(r"[a-z]+(-[a-z]+)+")
MADE = {"model-too-large", "statistics-too-large", "poison"}  # of f"{what}-too-large"; a word of one part


def codes(path: Path) -> set[str]:
    """The first argument of a refusal, `code` of a document that is one, and codes that a table or a default holds."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in ("ReuseError", "SpecError", "Refused") and node.args:
            found |= {inner.value for inner in ast.walk(node.args[0]) if isinstance(inner, ast.Constant) and isinstance(inner.value, str)}
        elif isinstance(node, ast.Dict):
            found |= {value.value for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant) and key.value == "code" and isinstance(value, ast.Constant)}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_wrong":
            found |= {argument.value for argument in node.args[1:2] if isinstance(argument, ast.Constant) and CODE.fullmatch(str(argument.value))}
        elif isinstance(node, ast.FunctionDef):
            found |= {default.value for default in node.args.defaults if isinstance(default, ast.Constant) and isinstance(default.value, str) and default.value.startswith("wrong-")}
        elif isinstance(node, ast.Tuple) and len(node.elts) == 4 and isinstance(node.elts[0], ast.Constant) and str(node.elts[0].value).endswith("-refused"):
            found.add(node.elts[0].value)
    return {code for code in found if CODE.fullmatch(code)}


def test_every_reason_is_listed_and_none_more():
    listed = re.findall(r"^### ([a-z-]+)$", (ROOT / "docs/reasons.md").read_text(), re.MULTILINE)
    used = set().union(*(codes(path) for path in REFUSERS)) | MADE
    assert len(listed) == len(set(listed))
    assert used - set(listed) == set(), "refusals without a line in docs/reasons.md"
    assert set(listed) - used == set(), "lines of docs/reasons.md that nothing is refused with"


def test_each_says_what_it_means_and_what_to_do():
    parts = (ROOT / "docs/reasons.md").read_text().split("\n### ")[1:]
    assert all("**Do:** " in part and len(part.split("\n\n")[1]) > 20 for part in parts)


def test_a_page_that_shows_a_reason_leads_to_its_line():
    from django.template.loader import render_to_string

    shown = render_to_string("components/_refusal.html", {"refusal": {"code": "wrong-zip", "message": "No.", "hint": ""}})
    assert 'href="/docs/reasons/#wrong-zip"' in shown
    assert "/docs/" not in render_to_string("components/_refusal.html", {"refusal": {"code": "not-yours-at-all", "message": "No.", "hint": ""}})
