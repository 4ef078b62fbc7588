"""The audit log: it grows, it is not changed, and what was changed all the same shows."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from marketplace.accounts import audit, organisations, services
from marketplace.accounts.models import AppendOnly, AuditEvent, AuditHead
from marketplace.catalog import access
from tests.marketplace.rows import homes, join, offered, table

pytestmark = pytest.mark.django_db


def verified() -> str:
    out = StringIO()
    call_command("verify_audit", stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.fixture
def events(alice):
    return [audit.note("token-made", actor=alice, object=f"token:{n}", scopes=["read"], days=n) for n in range(5)]


def sql(statement: str, *values) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_a_whole_chain_is_verified(alice, events):
    assert verified().startswith(f"5 events, none changed, none missing. End: 5:{events[-1].digest}")


def test_an_empty_one_too(db):
    assert verified().startswith("0 events")


@pytest.mark.parametrize(("statement", "fault"), [
    ("UPDATE accounts_auditevent SET object = 'token:9' WHERE id = 3", "Event 3 was changed."),
    ("UPDATE accounts_auditevent SET actor = NULL WHERE id = 1", "Event 1 was changed."),
    ("UPDATE accounts_auditevent SET origin = 'x' WHERE id = 5", "Event 5 was changed."),
    ("DELETE FROM accounts_auditevent WHERE id = 2", "Events 2 to 2 are missing."),
    ("DELETE FROM accounts_auditevent WHERE id = 5", "The log ends at event 4"),
    ("UPDATE accounts_auditevent SET digest = 'x' WHERE id = 2", "Event 2 was changed."),
])
def test_what_sql_changes_shows(alice, events, statement, fault):
    sql(statement)
    assert any(fault in said for said in audit.faults())
    with pytest.raises(CommandError):
        verified()


def test_a_log_that_was_written_anew_disagrees_with_an_end_that_was_kept(alice, events):
    kept = "{}:{}".format(*audit.end())
    sql("DELETE FROM accounts_auditevent")
    AuditHead.objects.update(count=0, digest="0" * 64)
    for n in range(5):
        audit.note("token-made", actor=alice, object=f"token:{n + 1}")
    assert verified()
    with pytest.raises(CommandError):
        call_command("verify_audit", "--end", kept, stderr=StringIO())


@pytest.mark.parametrize("deed", [
    lambda event: event.save(), lambda event: event.delete(), lambda event: AuditEvent.objects.update(object="x"), lambda event: AuditEvent.objects.all().delete(),
    lambda event: AuditEvent.objects.filter(pk=1).delete(), lambda event: AuditEvent._base_manager.filter(pk=1).update(object="x"),
    lambda event: AuditEvent._base_manager.all().delete(), lambda event: AuditEvent.objects.bulk_update([event], ["object"]),
    lambda event: AuditEvent.objects.bulk_create([event]), lambda event: AuditEvent.objects.update_or_create(pk=1, defaults={"object": "x"}),
])
def test_nothing_of_the_orm_changes_or_deletes(alice, events, deed):
    event = AuditEvent.objects.get(pk=1)
    event.object = "x"
    with pytest.raises(AppendOnly):
        deed(event)
    assert not list(audit.faults())


def test_staff_read_it_under_admin_and_change_nothing(client, alice, bob, events):
    bob.is_staff = bob.is_superuser = True
    bob.save()
    client.force_login(bob)
    page = client.get("/admin/accounts/auditevent/").content.decode()
    assert "A token was made" in page and "alice" in page and "Add audit event" not in page
    assert client.get("/admin/accounts/auditevent/", {"q": "alice"}).content.decode().count("A token was made") == 5
    assert client.get("/admin/accounts/auditevent/3/change/").status_code == 200
    for path in ("3/change/", "add/"):
        assert client.post(f"/admin/accounts/auditevent/{path}", {"object": "x"}).status_code == 403
    assert client.post("/admin/accounts/auditevent/3/delete/", {"post": "yes"}).status_code == 403
    client.post("/admin/accounts/auditevent/", {"action": "delete_selected", "_selected_action": ["3"], "post": "yes"})
    assert not list(audit.faults()) and AuditEvent.objects.filter(pk=3).exists()


def test_what_staff_do_under_admin_stands_in_it(client, alice, bob):
    bob.is_staff = bob.is_superuser = True
    bob.save()
    client.force_login(bob)
    client.post(f"/admin/accounts/user/{alice.pk}/password/", {"usable_password": "true", "password1": "a-quiet-harbour", "password2": "a-quiet-harbour"})
    event = AuditEvent.objects.get(action="admin-change")
    assert (event.actor, event.object) == (bob.pk, f"accounts.user:{alice.pk}")


def test_several_that_staff_delete_at_once_stand_in_it_one_by_one(client, alice, bob, admin_user):
    client.force_login(admin_user)
    client.post("/admin/accounts/user/", {"action": "delete_selected", "_selected_action": [alice.pk, bob.pk], "post": "yes"})
    assert not type(alice).objects.filter(pk__in=[alice.pk, bob.pk]).exists()
    assert set(AuditEvent.objects.filter(action="admin-delete").values_list("actor", "object")) == {(admin_user.pk, f"accounts.user:{pk}") for pk in (alice.pk, bob.pk)}


def test_an_event_says_who_what_where_and_by_which_request(client, alice):
    client.post("/accounts/sign-in/", {"username": "alice", "password": "alice-has-a-boat"}, REMOTE_ADDR="192.0.2.9", headers={"X-Request-ID": "a-request-of-mine"})
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.request_id) == ("signed-in", alice.pk, "a-request-of-mine")
    assert event.origin == audit.hashed("192.0.2.9") and "192" not in json.dumps(event.origin)[:4]


def test_everything_that_changes_who_may_do_what_leaves_an_event(client, api, alice, bob, charlie):
    import numpy as np

    token, _ = services.create_token(alice, "laptop", ["read"])
    services.change_token(token, scopes=["read", "run"])
    services.revoke_token(token)
    harbour = organisations.create(by=alice, username="harbour")
    join(harbour, alice, username="bob", role="reader")
    organisations.set_role(harbour, alice, username="bob", role="writer")
    organisations.remove(harbour, bob, username="bob")
    organisations.decline(organisations.invite(harbour, alice, username="bob", role="reader"), bob)
    organisations.invite(harbour, alice, username="bob", role="reader")
    organisations.take_back(harbour, alice, username="bob")
    organisations.delete(harbour, alice)
    crane = offered(alice, "crane", homes(), table(np.random.default_rng(0)))
    access.change(crane.learnware, alice, visibility="private", gated=True, shared_with=["bob"])
    access.change(crane.learnware, alice, visibility="public")
    access.unshare(crane.learnware, alice, "bob")
    access.decide(access.ask(crane.learnware, charlie, ""), alice, "granted")
    from marketplace.catalog.services import withdraw

    withdraw(crane, alice)
    expected = ["token-made", "token-changed", "token-revoked", "organisation-founded", "member-invited", "member-joined", "member-role", "member-left",
                "member-invited", "invitation-declined", "member-invited", "invitation-taken-back", "organisation-deleted", "shared", "visibility-changed",
                "visibility-changed", "share-ended", "access-decided", "withdrawn"]
    assert list(AuditEvent.objects.order_by("id").values_list("action", flat=True)) == expected
    assert not list(audit.faults())


def test_ones_own_page_shows_ones_own_alone(client, api, alice, bob):
    services.create_token(alice, "laptop", ["read"])
    services.create_token(bob, "phone", ["read"])
    client.force_login(bob)
    page = client.get("/accounts/events/").content.decode()
    assert page.count("A token was made") == 1 and "by you" in page
    assert "A token was made" in client.get("/accounts/security/").content.decode()
    said = api(bob).get("/api/v1/events").json()
    assert said["count"] == 2 and {row["by_me"] for row in said["results"]} == {True}
    assert api().get("/api/v1/events").status_code == 401


def test_an_event_of_a_transaction_that_failed_is_none(alice, events):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        audit.note("token-made", actor=alice)
        raise ZeroDivisionError
    assert audit.end()[0] == 5 and not list(audit.faults())


def test_an_action_without_words_is_a_mistake_of_ours(alice):
    with pytest.raises(ValueError, match="audit.WORDS"):
        audit.note("flew", actor=alice)


def test_two_that_append_at_once_do_not_fork_the_chain(alice, events):
    """Who read the same end as somebody faster is stopped by the database, not by luck."""
    from django.db import IntegrityError

    rival = AuditEvent.objects.get(pk=5)
    twin = AuditEvent(id=6, at=rival.at, action="signed-in", previous=rival.previous)
    twin.digest = audit.digest(twin)
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save()
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEvent(id=5, at=rival.at, action="signed-in", previous="f" * 64, digest="x").save()
