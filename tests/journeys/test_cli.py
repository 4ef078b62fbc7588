"""The command line against a running market: signing in by a code, a push that is killed and goes on, offline."""

import json
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest

import moorage
from tests.journeys import models
from tests.journeys.site import ROOT

KILLED = """
import os, signal
from moorage import uploading
uploading.PART = 1 << 20
send, count = uploading._patch, 0
def until_killed(*args):
    global count
    count += 1
    if count == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return send(*args)
uploading._patch = until_killed
from moorage.cli import main
main()
"""


@pytest.fixture
def environment(site, tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")}
    return kept | {"MOORAGE_URL": site.url, "HOME": str(tmp_path), "XDG_CONFIG_HOME": "", "MOORAGE_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT), "COLUMNS": "140"}


@pytest.fixture
def shell(environment, tmp_path):
    def run(*words, code=0, **more):
        done = subprocess.run([sys.executable, "-m", "moorage", *map(str, words)], cwd=tmp_path, capture_output=True, text=True, timeout=180, env=environment | more)
        assert done.returncode == code, done.stderr + done.stdout
        return done

    return run


def test_a_terminal_is_let_in_by_its_code(site, environment, shell, tmp_path):
    terminal = subprocess.Popen([sys.executable, "-m", "moorage", "login", "--name", "laptop"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert "/device/" in terminal.stderr.readline()
        code = terminal.stderr.readline().split()[1]
        allow = f"from marketplace.accounts import devices, models; devices.decide(models.User.objects.get(username='charlie'), {code!r}, allow=True)"
        site.manage("shell", "-c", allow)
        assert terminal.wait(60) == 0, terminal.stderr.read()
        assert "Signed in" in terminal.stderr.read()
    finally:
        terminal.kill()
        terminal.stderr.close()
    said = json.loads(shell("whoami", "--json").stdout)
    assert said["username"] == "charlie" and said["token"] == {"name": "laptop", "scopes": ["read", "upload", "run"]} and said["token_from"].endswith("credentials.json")
    assert "It won over" in shell("whoami", MOORAGE_TOKEN=site.token("bob", ["read"])).stderr
    shell("logout")
    assert "moorage login" in shell("whoami", code=3).stderr


def test_ctrl_c_ends_the_waiting_without_a_traceback(environment, tmp_path):
    terminal = subprocess.Popen([sys.executable, "-m", "moorage", "login"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True,
                                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # a suite in the background hands on that it hears no Ctrl-C
    for _ in range(3):
        terminal.stderr.readline()
    terminal.send_signal(signal.SIGINT)
    said = terminal.communicate(timeout=30)[1]
    assert terminal.returncode == 130 and "Stopped." in said and "Traceback" not in said


def test_a_push_that_was_killed_goes_on_where_it_was(site, environment, tmp_path, catalog):
    from moorage import offering
    from reuse import architectures

    token = site.token("bob", ["read", "upload"])
    market = moorage.Market(site.url, token, cache=tmp_path / "cache")
    frame = models.part(0.0, 0.7)
    space = market.find_space(frame, models.TARGET)
    module = architectures.build("mlp", {"inputs": space.d, "hidden": [1500, 1500], "outputs": 2})
    y = (frame[models.TARGET] == "malignant").astype(int)
    folder = tmp_path / "large"
    folder.mkdir()
    offering.prepare(market, folder, module, frame.drop(columns=models.TARGET), y.rename(models.TARGET), name="large-network", licence="MIT", version="1.0.0", title="", card="", target=None, unit=None,
                     task="classification", classes=models.CLASSES, takes=None, space=space, base=None)
    size = (folder / "model.safetensors").stat().st_size
    assert size > 8 * 2**20

    killed = subprocess.run([sys.executable, "-c", KILLED, "push", str(folder)], cwd=tmp_path, env=environment | {"MOORAGE_TOKEN": token}, capture_output=True, timeout=180)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(moorage.NotFound):
        market.learnware("bob/large-network")
    held = next(upload for upload in site.client(token).get("uploads").json() if upload["size"] == size)
    assert held["offset"] == 3 << 20

    seen = []
    made = market.push(folder, progress=lambda words, done, total: seen.append((words, done)))
    assert made["status"] == "usable" and made["files"][0]["sha256"] == market.cache.blob(made["files"][0]["sha256"]).name == json.loads((folder / "learnware.json").read_text())["model"]["sha256"]
    assert min(done for words, done in seen if words.startswith("Sending")) == 3 << 20 and ("Hashing model.safetensors", size) in seen
    back = market.download("bob/large-network@1", tmp_path / "back")
    assert (back / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()

    manifest = json.loads((folder / "learnware.json").read_text())
    (folder / "learnware.json").write_text(json.dumps(manifest | {"version": "1.0.1"}))
    seen.clear()
    assert market.push(folder, progress=lambda words, done, total: seen.append(words))["version"] == "1.0.1"
    assert not [words for words in seen if words.startswith("Sending")]  # the market knows these bytes


def test_without_a_connection_what_was_fetched_works(shell, catalog, tmp_path):
    frame = models.part(0.1, 0.7).head(60)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    assert "not in the cache" in shell("download", "alice/nuclei-small", "--offline", code=8).stderr
    shell("download", "alice/nuclei-small", "alice/nuclei-large", "-o", "both")
    shell("describe", "rows.csv", "--target", models.TARGET, "-o", "task.json")
    nowhere = {"MOORAGE_OFFLINE": "1"}
    shell("download", "alice/nuclei-small@1", "-o", "again", **nowhere)
    assert (tmp_path / "again" / "nuclei-small.skops").read_bytes() == (tmp_path / "both" / "nuclei-small" / "nuclei-small.skops").read_bytes()
    assert "alice/nuclei-small@1.0.0" in shell("show", "alice/nuclei-small", **nowhere).stderr
    shell("describe", "rows.csv", "--target", models.TARGET, "-o", "offline.json", **nowhere)
    assert json.loads((tmp_path / "offline.json").read_text())["space_id"] == json.loads((tmp_path / "task.json").read_text())["space_id"]
    shell("predict", "alice/nuclei-small@1", "rows.csv", "-o", "out.csv", **nowhere)
    assert len(pd.read_csv(tmp_path / "out.csv")) == 60
    said = json.loads(shell("search", "nuclei", "--json", code=8, **nowhere).stderr)
    assert said["code"] == "offline" and "--offline" in said["hint"]
    assert json.loads(shell("cache", "--json").stdout)["files"] >= 4
    shell("cache", "clear", "--yes")
    assert json.loads(shell("cache", "--json").stdout)["bytes"] == 0
