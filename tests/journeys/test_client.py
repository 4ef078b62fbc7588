"""The client against a running market: from Python, and from the command line as a person types it."""

import json
import os
import stat
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import moorage
from specs import SpecError
from tests.journeys import models
from tests.journeys.site import PASSWORD, ROOT


@pytest.fixture(scope="module")
def market(site, catalog):
    return moorage.Market(site.url, site.token("bob", ["read", "upload", "run"]))


@pytest.fixture
def shell(site, tmp_path):
    """shell("match", "task.json", ...) -> the finished process; its home and its folder are empty at first."""

    def run(*words, code=0, **environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")}
        done = subprocess.run([sys.executable, "-m", "moorage", *map(str, words)], cwd=tmp_path, capture_output=True, text=True, timeout=180, input=environment.pop("input", None),
                              env=kept | {"MOORAGE_URL": site.url, "HOME": str(tmp_path), "XDG_CONFIG_HOME": "", "PYTHONPATH": str(ROOT), "COLUMNS": "140"} | environment)
        assert done.returncode == code, done.stderr + done.stdout
        return done

    return run


def asked(n=200):
    return models.part(0.1, 0.7).head(n)


def test_one_call_offers_a_fitted_pipeline(market):
    frame = models.part(0.0, 0.7)
    seen = []
    made = market.offer(models.fitted(frame), frame.drop(columns=models.TARGET), frame[models.TARGET], name="by-one-call", licence="MIT", card="# Made in one call", seen=seen.append)
    assert made["status"] == "usable" and made["reference"] == "bob/by-one-call@1.0.0" and made["task"] == "classification" and seen


def test_one_call_offers_a_network(market):
    from reuse import architectures
    from reuse.finetune import train
    from reuse.finetune.full import tune

    frame = models.part(0.0, 0.7)
    space = market.find_space(frame, models.TARGET)
    module = architectures.build("mlp", {"inputs": space.d, "hidden": [8], "outputs": 2})
    y = (frame[models.TARGET] == "malignant").to_numpy().astype(int)
    train(module, space.encode(frame), y, 2, tune(module, epochs=20, lr=0.01))
    made = market.offer(module, frame.drop(columns=models.TARGET), frame[models.TARGET], name="a-network", licence="Apache-2.0", space=space, statistics=True)
    assert made["status"] == "usable" and made["format"] == "safetensors"
    assert "statistics.safetensors" in [file["name"] for file in made["files"]] and "head.weight" in made["report"]["statistics"]["gram"]


def test_an_offer_that_lies_is_refused_with_the_markets_reason(market):
    frame = models.part(0.0, 0.7)
    with pytest.raises(moorage.Refused) as refused:
        market.offer(models.fitted(frame), frame.drop(columns=models.TARGET), frame[models.TARGET], name="liar", licence="MIT", classes=["yes", "no"])
    assert refused.value.code == "signature-lies"


def test_the_same_version_twice_is_a_conflict(market):
    frame = models.part(0.0, 0.7)
    with pytest.raises(moorage.Conflict, match=r"1\.0\.1"):
        for _ in range(2):
            market.offer(models.fitted(frame), frame.drop(columns=models.TARGET), frame[models.TARGET], name="twice", licence="MIT")


def test_describe_match_reuse_predict(market, tmp_path):
    frame = asked()
    requirement = market.describe(frame.drop(columns=models.TARGET))
    match = market.match(requirement, target=models.TARGET)
    assert match.singles and "mixture" in repr(match)
    job = market.reuse(match, data=frame.head(40), target=models.TARGET).wait(timeout_s=180)
    folder = job.download(tmp_path / "predictor")
    found = moorage.predict(folder, asked())
    assert (found.labels == asked()[models.TARGET].to_numpy()).mean() > 0.85
    assert job.evidence["leaderboard"] and job.lineage["licence"]
    assert job.evidence["nested"]["score"] > 0.8 and job.card().startswith("Made by reuse") and "| ensemble/best-single |" in job.card()
    with pytest.raises(moorage.Refused, match="not empty"):
        job.download(folder)


def test_the_same_reuse_on_ones_own_machine_sends_no_row(market, tmp_path, monkeypatch):
    frame = asked()
    match = market.match(market.describe(frame.drop(columns=models.TARGET)), target=models.TARGET)
    sent = []
    monkeypatch.setattr(market._wire, "post", lambda path, **content: sent.append(path))
    made = market.reuse_here(match, tmp_path / "here", data=frame.head(40), target=models.TARGET)
    assert not sent and made.lineage["members"] and {"scratch", "ensemble/best-single"} <= {row["method"] for row in made.evidence["leaderboard"]}
    assert (moorage.predict(tmp_path / "here", frame).labels == frame[models.TARGET].to_numpy()).mean() > 0.85
    with pytest.raises(moorage.Refused, match="not empty"):
        market.reuse_here(match, tmp_path / "here", data=frame.head(40), target=models.TARGET)


def test_what_was_made_here_is_offered_with_its_parents(market, tmp_path):
    frame = asked()
    match = market.match(market.describe(frame.drop(columns=models.TARGET)), target=models.TARGET)
    made = market.reuse_here(match, tmp_path / "here", method="ensemble/mean")
    offered = market.offer_predictor(tmp_path / "here", "made-here")
    assert offered["status"] == "usable" and set(offered["parents"]) == {m["reference"] for m in made.lineage["members"]}
    assert "Made by reuse" in offered["manifest"]["card"]


def test_a_compact_model_is_taught_on_rows_without_labels(market, tmp_path):
    frame = models.part(0.0, 1.0)
    match = market.match(market.describe(frame.drop(columns=models.TARGET)), target=models.TARGET)
    job = market.reuse(match, method="distil", params={"hidden": 16, "epochs": 60}, rows=frame.drop(columns=models.TARGET)).wait(timeout_s=180)
    assert job.evidence["distilled"]["rows"] == len(frame) and job.evidence["distilled"]["agreement"] > 0.7
    assert job.learning and {"method", "epoch", "train"} <= set(job.learning[0])
    assert (moorage.predict(job.download(tmp_path / "small"), frame).labels == frame[models.TARGET].to_numpy()).mean() > 0.8


def test_a_download_goes_on_where_it_broke_off_and_runs(site, market, tmp_path):
    reference = "alice/nuclei-small"
    whole = market.download(reference, tmp_path / "whole")
    model = next(p for p in whole.iterdir() if p.suffix == ".skops")
    other = moorage.Market(site.url, cache=tmp_path / "another cache")
    sha256 = next(file["sha256"] for file in other.learnware(reference)["files"] if file["name"] == model.name)
    part = other.cache.blob(sha256).with_suffix(".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(model.read_bytes()[:1000])
    seen = []
    broken = other.download(reference, tmp_path / "broken", progress=lambda name, done, total: seen.append((name, done)))
    assert (broken / model.name).read_bytes() == model.read_bytes()
    assert min(done for name, done in seen if name == model.name) > 1000
    assert moorage.predict(whole, asked(5)).labels.shape == (5,)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (lambda: asked().rename(columns={"radius": "Radius"}), "radius"),
        (lambda: asked().assign(radius="wide"), "radius"),
        (lambda: asked().assign(radius=np.inf), "radius"),
        (lambda: asked().assign(radius=np.nan), "radius"),
        (lambda: asked(1), "row"),
        (lambda: asked().head(0), "row"),
    ],
)
def test_a_table_that_can_not_be_described_says_why(market, frame, words):
    with pytest.raises((moorage.MarketError, SpecError)) as refused:
        market.describe(frame().drop(columns=models.TARGET))
    assert words in str(refused.value) and refused.value.code and refused.value.hint


def test_missing_values_are_described_all_the_same(market):
    frame = asked().drop(columns=models.TARGET).copy()
    frame.iloc[::5, 2] = np.nan
    assert market.describe(frame).rkme.n == len(frame)


def test_nobody_answers(tmp_path):
    with pytest.raises(moorage.Unreachable, match=r"run\.py"):
        moorage.Market("http://127.0.0.1:9", "x").whoami()


def test_a_token_without_the_scope_is_not_allowed(site, catalog):
    reader = moorage.Market(site.url, site.token("charlie", ["read"]))
    match = reader.match(reader.describe(asked().drop(columns=models.TARGET)))
    with pytest.raises(moorage.NotAllowed, match="run"):
        reader.reuse(match)


def test_somebody_elses_job_is_not_found(site, market):
    job = market.reuse(market.match(market.describe(asked().drop(columns=models.TARGET))))
    other = moorage.Market(site.url, site.token("charlie", ["read", "run"]))
    for attempt in (lambda: other.job(job.id), lambda: other._wire.post(f"jobs/{job.id}/cancel")):
        with pytest.raises(moorage.NotFound):
            attempt()
    job.wait(timeout_s=120)


# -- the command line ------------------------------------------------------------------------------


def test_the_walk_of_a_person_with_a_spreadsheet(shell, tmp_path, catalog):
    asked().to_csv(tmp_path / "nuclei.csv", index=False)
    asked().head(40).to_csv(tmp_path / "labelled.csv", index=False)
    models.part(0.1, 0.7).tail(30).drop(columns=models.TARGET).to_csv(tmp_path / "new.csv", index=False)

    assert "moorage login" in shell("whoami", code=3).stderr
    shell("login", "--password", "--username", "charlie", input=PASSWORD + "\n")
    kept = tmp_path / ".config" / "moorage" / "credentials.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and PASSWORD not in kept.read_text()
    assert "charlie" in shell("whoami").stderr

    said = shell("describe", "nuclei.csv", "--target", models.TARGET, "-o", "task.json").stderr
    assert "moorage match task.json" in said
    assert b"radius" in (tmp_path / "task.json").read_bytes()
    said = shell("match", "task.json", "--top", "3")
    assert "nuclei-" in said.stdout and "moorage reuse" in said.stderr
    said = shell("reuse", "task.json", "--data", "labelled.csv", "--target", models.TARGET, "--method", "auto", "-o", "predictor/")
    assert "scratch" in said.stdout and "moorage predict" in said.stderr
    said = shell("reuse", "task.json", "--data", "labelled.csv", "--local", "--method", "ensemble/hedged", "-o", "here/")
    assert "Nothing but the requirement" in said.stderr and (tmp_path / "here" / "card.md").read_text().startswith("Made by reuse")
    shell("predict", "predictor/", "new.csv", "-o", "out.csv")
    out = pd.read_csv(tmp_path / "out.csv")
    truth = models.part(0.1, 0.7).tail(30)[models.TARGET].to_numpy()
    assert (out[f"predicted_{models.TARGET}"] == truth).mean() > 0.8 and out.filter(like="probability_").sum(axis=1).round(4).eq(1).all()

    rows = json.loads(shell("jobs", "--json").stdout)
    shell("jobs", "show", rows[0]["id"])
    shell("jobs", "download", rows[0]["id"], "-o", "again")
    assert (tmp_path / "again" / "predictor.json").exists()
    shell("download", "alice/nuclei-small", "-o", "small")
    shell("predict", "small", "new.csv", "-o", "small.csv")
    assert "nuclei-small" in shell("search", "small").stdout


def test_a_pickle_is_converted_described_and_pushed(shell, tmp_path, site, catalog):
    import hashlib

    import joblib

    frame = models.part(0.2, 0.9)
    joblib.dump(models.fitted(frame), tmp_path / "model.joblib")
    assert shell("convert", "model.joblib", "-o", "model.skops", code=1, input="n\n") and not (tmp_path / "model.skops").exists()
    shell("convert", "model.joblib", "-o", "model.skops", "--yes")
    frame.to_csv(tmp_path / "train.csv", index=False)
    offer = tmp_path / "offer"
    offer.mkdir()
    shell("describe", "train.csv", "--target", models.TARGET, "-o", offer / "specification.json")
    data = (tmp_path / "model.skops").read_bytes()
    (offer / "model.skops").write_bytes(data)
    space = json.loads((offer / "specification.json").read_text())["space_id"]
    document = {
        "format": "moorage.learnware/1", "name": "pushed", "version": "1.0.0", "task": "classification", "licence": "MIT", "input": {"space": space, "takes": "columns"},
        "output": {"kind": "classes", "target": models.TARGET, "classes": models.CLASSES},
        "model": {"format": "skops", "file": "model.skops", "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)},
    }
    (offer / "learnware.json").write_text(json.dumps(document))
    token = site.token("bob", ["read", "upload"])
    assert "usable" in shell("push", offer, MOORAGE_TOKEN=token).stderr
    assert "1.0.1" in shell("push", offer, MOORAGE_TOKEN=token, code=5).stderr
    (offer / "model.skops").write_bytes(data[:-1])
    assert "SHA-256" in shell("push", offer, MOORAGE_TOKEN=token, code=2).stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"), ("", "empty"), ("radius;texture\n1;2\n3;4\n", "semicolons"), ("a,b\n1,2,3\n4,5,6,7\n", "CSV"), ("radius,texture\n1,2\n", "row"),
        (b"\xff\xfe\x00\x01\x02", "UTF-8"), ("colour,size\nred,1\nblue,2\n", "No space"),
    ],
)
def test_a_wrong_file_is_told_what_is_wrong_with_it(shell, tmp_path, catalog, content, words):
    if content is not None:
        (tmp_path / "data.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    done = shell("describe", "data.csv", "-o", "task.json", code=4 if words == "No space" else 2)
    assert words in done.stderr and "Traceback" not in done.stderr and "→" in done.stderr and not (tmp_path / "task.json").exists()


@pytest.mark.parametrize("words", [["match", "nothing.json"], ["match", "text.json"], ["reuse", "text.json"], ["predict", "nowhere", "data.csv"], ["download", "nobody/nothing"],
                                   ["download", "noslash"], ["jobs", "show", "6a521542-3666-4cf6-ba1d-93871496fe4f"], ["push", "nowhere"], ["convert", "none.joblib", "-o", "m.skops"]])
def test_no_mistake_ends_in_a_traceback(shell, tmp_path, site, catalog, words):
    (tmp_path / "text.json").write_text("hello")
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")}
    done = subprocess.run([sys.executable, "-m", "moorage", *words], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                          env=kept | {"MOORAGE_URL": site.url, "MOORAGE_TOKEN": site.token("bob", ["read", "run", "upload"]), "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)})
    assert done.returncode not in (0, 1) and "Traceback" not in done.stderr and "✗" in done.stderr, done.stderr


def test_help_is_quick_to_read_and_names_every_command(shell):
    said = shell("--help").stdout
    assert all(word in said for word in ("describe", "match", "reuse", "predict", "push", "convert", "login", "whoami", "jobs", "download"))


def test_labels_find_the_concept_and_the_best_few_are_tried_here(market):
    frame = models.part(0.0, 0.7)
    inputs, said = frame.drop(columns=models.TARGET), frame[models.TARGET]
    turned = said.map({"benign": "malignant", "malignant": "benign"})
    for name, y in (("concept", said), ("turned", turned)):
        market.offer(models.fitted(frame.assign(**{models.TARGET: y})), inputs, y, name=name, licence="MIT", labels=True)
    mine = asked(120)
    mine.loc[mine.index[40:], models.TARGET] = None
    requirement = market.describe(mine, models.TARGET, labels=True)
    assert requirement.rkme.labels.n == 40
    match = market.match(requirement)
    order = [single["reference"] for single in match.singles]
    assert order.index("bob/concept@1.0.0") < order.index("bob/turned@1.0.0") and match.document["by_labels"]
    tried = match.trial(mine, models.TARGET, most=10)
    scores = {row["reference"]: row["score"] for row in tried}
    assert len(tried) <= 10 and tried[0]["score"] == max(scores.values()) > 0.85 and scores.get("bob/turned@1.0.0", 0) < 0.3
    job = market.reuse(match, data=asked(40), target=models.TARGET, method="ensemble/selected").wait(timeout_s=180)
    assert 1 <= len(job.document["members"]) <= 10


def test_the_shell_tries_imports_and_exports(shell, market, tmp_path):
    asked(150).to_csv(tmp_path / "data.csv", index=False)
    made = json.loads(shell("describe", "data.csv", "-t", models.TARGET, "-o", "task.json", "--labels", "--mode", "best", "--json").stdout)
    assert made["exposure"]["copies"] == 0 and made["floor"] > 0
    said = shell("match", "task.json", "--try", "data.csv", "--most", "3").stderr
    assert "On your labelled rows (accuracy)" in said
    private = shell("describe", "data.csv", "-t", models.TARGET, "-o", "private.json", "--epsilon", "4", "--points", "5").stderr
    assert "Differentially private: epsilon 4" in private
    assert "carries no labels" in shell("describe", "data.csv", "-t", models.TARGET, "--labels", "--epsilon", "1", code=2).stderr
    (tmp_path / "stat.json").write_text(json.dumps({"z": [[0, 1], [1, 0]], "beta": [0.5, 0.5], "gamma": 0.1, "num_points": 20, "type": "RKMETableSpecification"}))
    assert "2 points for 20 rows" in shell("import", "stat.json", "-o", "theirs.json").stderr
    shell("export", "theirs.json", "-o", "back.json")
    assert json.loads((tmp_path / "back.json").read_text())["gamma"] == pytest.approx(0.1)
    assert "export without loss" in shell("export", "task.json", code=2).stderr
