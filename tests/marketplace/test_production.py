"""What a market in production is: no warning of Django's own check, no secret in a copy of its database, none in its logs."""

import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pyotp
import pytest
from django.core.management import call_command
from django.test import Client

from marketplace.accounts import devices, factors
from marketplace.accounts.models import Letter

ROOT = Path(__file__).resolve().parent.parent.parent


def deployed(tmp_path, **changes) -> subprocess.CompletedProcess:
    settings = {
        "MOORAGE_HOME": str(tmp_path), "MOORAGE_PUBLIC_URL": "https://market.example", "MOORAGE_ALLOWED_HOSTS": "market.example", "MOORAGE_BEHIND_PROXY": "on",
        "MOORAGE_SECRET_KEY": "k" * 20 + "0123456789" + "abcdefghijklmnopqrstuvwxyz", "MOORAGE_CACHE_URL": "redis://127.0.0.1:6379/0",
        "MOORAGE_EMAIL_URL": "smtp://me:secret@mail.example",
    }
    env = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")} | settings | changes
    return subprocess.run([sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=False)


def test_check_deploy_has_nothing_to_say(tmp_path):
    ran = deployed(tmp_path)
    assert ran.returncode == 0 and "no issues (0 silenced)" in ran.stdout, ran.stderr


def test_that_check_can_fail(tmp_path):
    ran = deployed(tmp_path, MOORAGE_SECRET_KEY="short", MOORAGE_SSL_REDIRECT="off")
    assert ran.returncode == 1 and "security.W009" in ran.stderr and "security.W008" in ran.stderr


@pytest.mark.django_db
def test_neither_a_copy_of_the_database_nor_a_log_holds_what_opens_a_door(client, api, alice, settings):
    """Alice does all that makes a secret; then every table is written out, and every log line of all that is looked through."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setLevel(logging.DEBUG)
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    held: dict[str, str] = {}
    try:
        alice.set_password("a-sentence-of-alice")
        alice.email = "alice@example.org"
        alice.save()
        held["password"] = "a-sentence-of-alice"
        held["second factor"] = factors.begin(alice)
        codes = factors.confirm(alice, pyotp.TOTP(held["second factor"]).now())
        held |= {f"recovery code {n}": code for n, code in enumerate(codes)}
        client.post("/accounts/sign-in/", {"username": "alice", "password": held["password"]})
        client.post("/accounts/second-step/", {"code": codes[0]})
        assert client.get("/mine/").status_code == 200
        held["session"] = client.cookies["sessionid"].value
        said = api().post("/api/v1/tokens", {"username": "alice", "password": held["password"], "code": codes[1], "name": "x", "scopes": ["read"]}, format="json").json()
        held["token"] = said["token"]
        signed = Client(headers={"authorization": f"Token {held['token']}"})
        assert signed.get("/api/v1/whoami").status_code == 200
        Client(headers={"authorization": f"Token {held['token']}x"}).get("/api/v1/whoami")
        Client(raise_request_exception=False).post("/accounts/sign-in/", {"username": "alice", "password": held["password"] + "?"})
        grant, held["device code"] = devices.ask("laptop", ["read"])
        client.post("/accounts/email/", {"email": "alice2@example.org", "password": held["password"]})
        assert Letter.objects.exists()
        held["secret key"] = settings.SECRET_KEY
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    out = io.StringIO()
    call_command("dumpdata", "--all", stdout=out)
    dump, log = out.getvalue(), lines.getvalue()
    assert len(json.loads(dump)) > 20 and "accounts.apitoken" in dump and "sessions.session" in dump and "/api/v1/whoami" in log
    assert {where: [what for what, secret in held.items() if secret in text] for where, text in (("dump", dump), ("log", log))} == {"dump": [], "log": []}
    assert "argon2" in dump


@pytest.mark.django_db
def test_that_search_finds_what_is_there(alice):
    out = io.StringIO()
    call_command("dumpdata", "--all", stdout=out)
    assert alice.password.replace('"', '\\"') in out.getvalue() and "alice" in out.getvalue()
