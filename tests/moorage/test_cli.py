"""The command line itself: it teaches, it suggests, it never shows a traceback for what is expected."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from moorage import cli, errors

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = typer.main.get_command(cli.app)


def every(group=COMMANDS, path=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from every(command, (*path, name))
        else:
            yield (*path, name), command


@pytest.mark.parametrize(("path", "command"), list(every()), ids=lambda part: " ".join(part) if isinstance(part, tuple) else "")
def test_every_command_has_an_example_json_and_words_for_each_option(path, command):
    assert f"Example: moorage {' '.join(path)}" in command.help or f"| moorage {' '.join(path)}" in command.help
    names = {name for option in command.params for name in option.opts}
    assert "--json" in names
    assert all(getattr(option, "help", None) for option in command.params if option.name != "help" and "job" not in option.opts), [option.name for option in command.params if not getattr(option, "help", None)]
    out = [option for option in command.params if "--out" in option.opts]
    assert all("-o" in option.opts for option in out)


def test_help_is_grouped_in_the_order_of_use_and_begins_with_a_worked_example():
    said = CliRunner().invoke(cli.app, ["--help"], env={"COLUMNS": "100"}).output
    order = [said.index(f" {panel} ─") for panel in ("Find", "Use", "Offer", "Account")]
    assert order == sorted(order) and said.index("moorage describe houses.csv") < order[0]
    assert re.findall(r"^│ (\w+) ", said[order[0]:order[1]], re.MULTILINE) == ["describe", "match", "search", "show"]


@pytest.fixture
def shell(tmp_path):
    def run(*words, **environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")}
        return subprocess.run([sys.executable, "-m", "moorage", *words], cwd=tmp_path, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                              env=kept | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "MOORAGE_URL": "http://127.0.0.1:9"} | environment)

    return run


def test_a_wrong_command_suggests_the_right_one():
    found = CliRunner().invoke(cli.app, ["serch", "flats"])
    assert found.exit_code == 2 and "search" in found.output


def test_completion_knows_the_commands():
    script = "import sys; sys.argv = ['moorage']; from moorage.cli import main; main()"
    kept = dict(os.environ) | {"PYTHONPATH": str(ROOT), "_MOORAGE_COMPLETE": "complete_bash", "COMP_WORDS": "moorage d", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=kept)
    assert done.stdout.split() == ["describe", "download"]


@pytest.mark.parametrize(("words", "code", "said"), [
    (["whoami"], 7, "python3 run.py"), (["show", "no-slash"], 2, "owner/name"), (["whoami", "--url", "ftp://x"], 2, "http(s)://host"), (["whoami", "--token", "two words"], 3, "moorage login"),
    (["show", "a/b", "--offline"], 8, "--offline"), (["login", "--token", "--password"], 2, "one is enough"),
])
def test_what_is_expected_ends_with_a_next_step_and_its_code(shell, words, code, said):
    done = shell(*words)
    assert done.returncode == code and said in done.stderr and "→" in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_a_complaint_is_json_for_programs(shell):
    done = shell("whoami", "--json")
    assert json.loads(done.stderr)["code"] == "unreachable" and done.stdout == ""


def test_the_exit_codes_of_the_documentation_are_those_of_the_exceptions():
    rows = re.findall(r"^\| (`.*?`) \|.*?\| (\d) \|$", (ROOT / "docs" / "client.md").read_text(), re.MULTILINE)
    told = {name: int(code) for names, code in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == {name: kind.exit_code for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.MarketError)}
