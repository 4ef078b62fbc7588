"""moorage login --password and --token, against a market in memory."""

import json

import pytest
from typer.testing import CliRunner

import moorage
from moorage import cli, credentials, errors
from tests.moorage.market import URL, Pool, answer


class Door:
    """Signs Alice in; `factor` is the code that it wants besides, `asked` what came."""

    factor = ""

    def __init__(self):
        self.asked = []

    def __call__(self, asked):
        if asked.path == "/api/v1/whoami":
            return answer(200, {"username": "alice", "token": {"name": "command line", "scopes": ["read"]}})
        self.asked.append(asked.json())
        if asked.json()["password"] != "a boat":
            return answer(401, {"code": "wrong-password", "message": "The password is another one."})
        if asked.json().get("code", "") != self.factor:
            return answer(401, {"code": "code-needed" if "code" not in asked.json() else "wrong-code", "message": "A code is needed."})
        return answer(201, {"token": "moor_new"})


@pytest.fixture
def door(monkeypatch):
    made = Door()
    monkeypatch.setattr("moorage.commands.login.market", lambda url, token: moorage.Market(URL, token, transport=Pool(made)))
    return made


def login(*words, typed):
    return CliRunner().invoke(cli.app, ["login", *words, "--json"], input=typed)


def test_a_password_becomes_a_token_that_is_kept(door):
    said = login("--username", "alice", typed="a boat\n")
    assert said.exit_code == 0 and json.loads(said.stdout)["username"] == "alice" and credentials.find().token == "moor_new"
    assert door.asked == [{"username": "alice", "password": "a boat", "name": "command line", "scopes": ["read", "upload", "run"], "days": 90}]


def test_the_code_of_a_second_factor_is_asked_for_where_there_is_one(door):
    door.factor = "123456"
    said = login("-u", "alice", "--scope", "read", typed="a boat\n123456\n")
    assert said.exit_code == 0 and credentials.find().token == "moor_new"
    assert [(sent["scopes"], sent.get("code")) for sent in door.asked] == [(["read"], None), (["read"], "123456")]


@pytest.mark.parametrize(("typed", "code", "tries"), [("another\n123456\n", "wrong-password", 1), ("a boat\n654321\n", "wrong-code", 2)])
def test_what_is_wrong_is_said_and_nothing_is_kept(door, typed, code, tries):
    door.factor = "123456"
    said = login("-u", "alice", typed=typed)
    assert isinstance(said.exception, errors.NotSignedIn) and said.exception.code == code and len(door.asked) == tries
    assert credentials.find().token is None


def test_a_token_that_one_has_is_kept(door):
    said = login("--token", typed="moor_old\n")
    assert said.exit_code == 0 and credentials.find().token == "moor_old" and door.asked == []
