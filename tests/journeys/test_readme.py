"""What the README shows is run, word for word: only the address, the token and the files are ours."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

import moorage
from tests.journeys.site import ROOT


@pytest.fixture
def houses():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"area": rng.uniform(40, 200, 600).round(), "rooms": rng.integers(1, 8, 600)})
    return frame.assign(price=2000 * frame["area"] + 5000 * frame["rooms"] + rng.normal(0, 9000, 600))


def test_the_python_of_the_readme_runs(site, houses, tmp_path, monkeypatch):
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    token = site.token("alice", ["read", "upload", "run"])
    block = block.replace("http://127.0.0.1:8000", site.url).replace("moor_…", token)
    X_train, y_train = houses[["area", "rooms"]][:300], houses["price"][:300]
    pipeline = Ridge().fit(X_train, y_train)
    moorage.Market(site.url, token).offer(pipeline, X_train, y_train, name="houses-first", licence="MIT")
    monkeypatch.chdir(tmp_path)
    houses[300:].to_csv("houses.csv", index=False)
    houses[300:340].to_csv("labelled.csv", index=False)
    houses[400:].drop(columns="price").to_csv("new.csv", index=False)
    found = {"pipeline": pipeline, "X_train": X_train, "y_train": y_train}
    exec(block, found)  # our own file
    assert np.sqrt(((found["prices"] - houses["price"][400:].to_numpy()) ** 2).mean()) < 20_000
    assert moorage.Market(site.url).learnware("alice/houses-kiel")["status"] == "usable"


def test_the_commands_of_the_readme_are_there():
    text = (ROOT / "README.md").read_text()
    for command in re.findall(r"^moorage (\w+)", text, re.MULTILINE):
        assert (ROOT / "moorage" / "commands" / f"{command}.py").exists()
    assert "python3 run.py test" in text
