"""The house itself: imports run downward, light packages stay light, every member is documented, no migration is missing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("specs", "storage", "reuse", "moorage", "marketplace")
# What each package may import of ours. The demo plays the client's user (docs/decisions/0003).
BELOW = {"specs": set(), "storage": set(), "reuse": {"specs"}, "moorage": {"specs", "reuse"}, "marketplace": {"specs", "storage", "reuse"}}
APPS = ("accounts", "catalog", "hub", "matching", "jobs", "demo")
FILES = [path for package in OURS for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_downward(path):
    package, *rest = path.relative_to(ROOT).parts
    allowed = BELOW[package] | {package} | ({"moorage"} if rest[:1] == ["demo"] else set())
    for name in imports(path):
        top = name.split(".")[0]
        assert top not in OURS or top in allowed, f"{path} imports {name}"
        if package == "marketplace" and name.startswith("marketplace.") and rest[0] in APPS and name.split(".")[1] in APPS:
            assert APPS.index(name.split(".")[1]) <= APPS.index(rest[0]), f"{path} imports {name}"


@pytest.mark.parametrize("path", [p for p in FILES if p.relative_to(ROOT).parts[0] == "marketplace"], ids=lambda p: str(p.relative_to(ROOT)))
def test_only_workers_load_torch(path):
    heavy = {"torch", "faiss", "sklearn", "onnxruntime", "reuse.engine.run", "reuse.recipes", "reuse.sandbox"}
    if path.name == "worker.py" or "demo" in path.parts:
        return
    tree = ast.parse(path.read_text())
    at_import = {n.name for node in tree.body if isinstance(node, ast.Import) for n in node.names}
    at_import |= {f"{node.module}.{n.name}" for node in tree.body if isinstance(node, ast.ImportFrom) and node.level == 0 for n in node.names}
    assert not {name for name in at_import for heavy_one in heavy if name == heavy_one or name.startswith(heavy_one + ".")} - {"faiss"}, path


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import specs", ("torch", "django", "faiss", "sklearn", "pandas")),
        ("import moorage, moorage.cli", ("torch", "django", "faiss", "sklearn", "numpy")),
        ("import moorage; moorage.Market", ("torch", "django", "faiss", "sklearn")),
        ("import reuse, reuse.manifest, reuse.registry; reuse.registry.every()", ("torch", "django", "sklearn", "onnxruntime")),
        ("import storage", ("torch", "django", "boto3", "numpy")),
        ("import django, os; os.environ['DJANGO_SETTINGS_MODULE'] = 'marketplace.settings'; django.setup(); import marketplace.asgi, marketplace.urls; from django.urls import resolve; resolve('/')",
         ("torch", "onnxruntime", "sklearn", "skops")),
    ],
    ids=["specs", "moorage", "market", "reuse", "storage", "web"],
)
def test_what_is_light_stays_light(code, absent):
    check = f"{code}\nimport sys\nheld = [name for name in {absent!r} if name in sys.modules]\nassert not held, held"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.django_db
def test_no_migration_is_missing():
    from django.core.management import call_command

    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


@pytest.mark.django_db
def test_the_settings_pass_djangos_checks_for_production(settings):
    from django.core.management import call_command

    call_command("check", fail_level="ERROR")


@pytest.mark.parametrize("package", ["specs", "reuse", "moorage"])
def test_every_public_function_is_documented(package):
    """Commands' options say what they are; what a Protocol or an __init__ does is said by its class."""
    missing = []
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if not ast.get_docstring(ast.parse(path.read_text())) and path.name != "__init__.py" and path.name != "__main__.py":
                missing.append(str(path.relative_to(ROOT)))
                break
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node) and not any(
                isinstance(base, ast.Attribute | ast.Name) and getattr(base, "attr", getattr(base, "id", "")) in ("Module", "Protocol") for base in node.bases
            ):
                missing.append(f"{path.relative_to(ROOT)}: class {node.name}")
    assert not missing


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "requirements.txt", "pyproject.toml", ".ci/run", "run.py", "manage.py"])
def test_the_house_has_its_papers(name):
    assert (ROOT / name).stat().st_size > 100


def test_every_requirement_is_pinned():
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    assert all("==" in line for line in lines if line and not line.startswith("-"))


def test_every_document_that_the_code_names_is_there():
    import re

    named = {name for path in FILES for name in re.findall(r"docs/[\w/-]+\.md", path.read_text())}
    assert not [name for name in named if not (ROOT / name).exists()]


def test_the_openapi_schema_is_made_without_a_warning(capsys):
    from django.core.management import call_command

    call_command("spectacular", "--fail-on-warn", "--file", "/dev/null")
    assert "Warning" not in capsys.readouterr().err
