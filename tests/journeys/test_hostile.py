"""What bad input gets: a clear answer of the 4xx kind, and nothing is left behind."""

import base64
import json
from uuid import uuid4

import numpy as np
import pytest

from tests.journeys import models


def complaint(answer, *statuses):
    """The answer as a complaint of the one form, with one of these statuses."""
    assert answer.status_code in (statuses or range(400, 500)), (answer.status_code, answer.text)
    said = answer.json()
    assert {"code", "message", "hint", "request_id"} <= said.keys()
    assert said["code"] and said["message"] and said["request_id"]
    assert "Traceback" not in answer.text
    return said


@pytest.fixture(scope="module")
def sound(catalog):
    return models.requirement(models.everything())


@pytest.fixture(scope="module")
def match(site, sound):
    return site.client().post("matches", json={"specification": sound}).json()


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left(site, match):
    """Rows and stored bytes before and after all these hostile inputs."""
    count = (
        "from marketplace.catalog.models import *; from marketplace.matching.models import Match;"
        "from marketplace.jobs.models import ReuseJob;"
        "print([m.objects.count() for m in (Artifact, Space, Learnware, Version, Match, ReuseJob)])"
    )

    def left():
        return site.manage("shell", "-v0", "-c", count), len([path for path in (site.home / "storage").rglob("*") if path.is_file()])

    before = left()
    yield
    assert left() == before


def floats(document, key, values):
    document[key]["data"] = base64.b64encode(values.tobytes()).decode()


def points_of(document):
    return np.frombuffer(base64.b64decode(document["points"]["data"]), dtype="<f4").copy()


def nan(document):
    values = points_of(document)
    values[0] = np.nan
    floats(document, "points", values)


def infinite(document):
    values = points_of(document)
    values[0] = np.inf
    floats(document, "points", values)


def far_away(document):
    floats(document, "points", points_of(document) * 1e8)


def negative(document):
    size = document["weights"]["shape"][0]
    floats(document, "weights", np.full(size, -1.0))


def heavy(document):
    size = document["weights"]["shape"][0]
    floats(document, "weights", np.full(size, 1.0))


SPOILT = {
    "nan": nan,
    "infinite": infinite,
    "far away": far_away,
    "negative weights": negative,
    "too much mass": heavy,
    "ten million points": lambda d: d["points"].update(shape=[10_000_000, 10]),
    "ten million rows for no points": lambda d: d.update(n=0),
    "no points": lambda d: d.pop("points"),
    "sigma of zero": lambda d: d["space"]["kernel"].update(sigma=0),
    "another space's id": lambda d: d.update(space_id="f" * 64),
    "columns of unknown type": lambda d: d["space"]["columns"][0].update(type="colour"),
    "no columns": lambda d: d["space"].update(columns=[]),
    "another format": lambda d: d.update(format="pickle"),
    "a task that is none": lambda d: d["semantic"].update(task="guessing"),
    "truncated numbers": lambda d: d["points"].update(data=d["points"]["data"][:-8]),
    "numbers that are none": lambda d: d["points"].update(data="!" * len(d["points"]["data"])),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_requirement(site, sound, name):
    document = json.loads(json.dumps(sound))
    SPOILT[name](document)
    complaint(site.client().post("matches", json={"specification": document}))


def test_a_requirement_of_another_space_names_the_nearest(site, sound):
    import specs

    frame = models.everything().rename(columns={"radius": "breadth"})
    other = specs.Space.from_table(frame, name="other nuclei", target=models.TARGET)
    document = specs.Specification(other, specs.describe(frame, other, points=20), sound["semantic"]).to_bytes()
    said = complaint(site.client().post("matches", json={"specification": json.loads(document)}), 422)
    assert said["code"] == "unknown-space"
    assert "radius" in said["hint"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b'{"specification": null}', b'{"specification": []}', b'{"specification": "x"}', b"\xff\xfe",
     b'{"specification": ' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"specification": {"n": NaN}}'],
)
def test_a_body_that_is_none(site, body):
    complaint(site.client().post("matches", content=body, headers={"Content-Type": "application/json"}))


@pytest.mark.parametrize("change", [{"top": 0}, {"top": 10**9}, {"top": "many"}, {"filters": {"colour": "red"}}, {"filters": "all"}])
def test_wrong_wishes_beside_a_sound_requirement(site, sound, change):
    complaint(site.client().post("matches", json={"specification": sound, **change}))


FRAME = models.everything().iloc[:30]
TABLES = {
    "empty": b"",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
    "no labels": FRAME.drop(columns=models.TARGET).to_csv(index=False).encode(),
    "a column short": FRAME.drop(columns="radius").to_csv(index=False).encode(),
    "one row": FRAME.iloc[:1].to_csv(index=False).encode(),
    "only a header": FRAME.iloc[:0].to_csv(index=False).encode(),
    "one class": FRAME[FRAME[models.TARGET] == "benign"].to_csv(index=False).encode(),
    "strange classes": FRAME.assign(**{models.TARGET: "unknown"}).to_csv(index=False).encode(),
    "words for numbers": FRAME.assign(radius="large").to_csv(index=False).encode(),
    "infinite": FRAME.assign(radius=np.inf).to_csv(index=False).encode(),
    "an empty column": FRAME.assign(radius=np.nan).to_csv(index=False).encode(),
    "labels all missing": FRAME.assign(**{models.TARGET: ""}).to_csv(index=False).encode(),
    "semicolons": FRAME.to_csv(index=False, sep=";").encode(),
    "not text": FRAME.to_csv(index=False).encode("utf-16"),
    "ragged": FRAME.to_csv(index=False).encode() + b"1,2,3\n",
    "zero bytes": FRAME.to_csv(index=False).encode().replace(b"benign", b"ben\x00gn"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_wrong_table(bob, match, name):
    said = complaint(bob.post("jobs", data={"match": match["id"]}, files={"data": ("d.csv", TABLES[name], "text/csv")}))
    assert said["hint"]


WISHES = {
    "nothing": {},
    "no such match": {"match": str(uuid4())},
    "a match that is no id": {"match": "../../etc/passwd"},
    "no such method": {"method": "merge/magic"},
    "a parameter that no method has": {"method": "ensemble/mean", "params": {"magic": 1}},
    "params that are a list": {"params": [1]},
    "another target": {"target": "radius"},
    "no such learnware": {"members": [{"reference": "alice/none@1.0.0"}]},
    "a reference that is none": {"members": [{"reference": "'; DROP TABLE jobs; --"}]},
    "members that are text": {"members": "alice/nuclei-small@1.0.0"},
    "too many members": {"members": [{"reference": f"alice/x{i}@1.0.0"} for i in range(100)]},
    "a negative weight": {"members": [{"reference": "alice/nuclei-small@1.0.0", "weight": -1}]},
    "weights that vanish": {"members": [{"reference": "alice/nuclei-small@1.0.0", "weight": 0}]},
    "a member twice": {"members": [{"reference": "alice/nuclei-small@1.0.0"}] * 2},
    "labels left out where they are needed": {"method": "finetune/head"},
    "a merge of what has no family": {"method": "merge/average", "members": [{"reference": "alice/nuclei-small@1.0.0"}, {"reference": "alice/nuclei-large@1.0.0"}]},
}


@pytest.mark.parametrize("name", WISHES)
def test_a_wish_for_a_job_that_can_not_be(bob, match, name):
    wish = dict(WISHES[name])
    if wish and "match" not in wish and "members" not in wish:
        wish["match"] = match["id"]
    complaint(bob.post("jobs", json=wish))


def test_a_job_without_the_scope(site, charlie, match):
    complaint(charlie.post("jobs", json={"match": match["id"]}), 403)
    complaint(site.client().post("jobs", json={"match": match["id"]}), 401, 403)
    complaint(site.client("moor_wrong").get("jobs"), 401, 403)


@pytest.mark.parametrize("path", ["jobs/{}", "jobs/{}/result", "matches/{}"])
def test_what_is_not_there(bob, path):
    complaint(bob.get(path.format(uuid4())), 404)
