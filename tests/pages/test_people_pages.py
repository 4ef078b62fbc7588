"""Pages about people: profiles, organisations, access, notifications, devices; each with what it refuses."""

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from marketplace.accounts import devices, notices, organisations
from marketplace.accounts.models import ApiToken, Membership, Notification, User
from marketplace.accounts.services import create_token
from marketplace.catalog import access
from marketplace.catalog.models import AccessRequest, Version
from tests.marketplace.rows import homes, offered, table

pytestmark = pytest.mark.django_db


@pytest.fixture
def crane(alice):
    return offered(alice, "crane", homes(), table(np.random.default_rng(0))).learnware


@pytest.fixture
def harbour(alice):
    return organisations.create(by=alice, username="harbour", title="The Harbour")


@pytest.fixture
def as_alice(alice):
    made = Client()
    made.force_login(alice)
    return made


@pytest.fixture
def as_bob(bob):
    made = Client()
    made.force_login(bob)
    return made


def test_a_profile_says_who_it_is_and_what_they_offer(client, as_alice, alice, crane, django_assert_max_num_queries):
    Version.objects.update(downloads=7)
    answer = as_alice.post("/accounts/profile/", {"title": "Alice A.", "about": "I **model** <script>alert(1)</script> houses.", "link": "https://alice.example"})
    assert answer.status_code == 302
    with django_assert_max_num_queries(12):
        page = client.get("/people/alice/").content.decode()
    assert "Alice A." in page and "<strong>model</strong>" in page and "<script>alert" not in page and "alice/crane" in page
    assert 'href="https://alice.example"' in page and "nofollow" in page and ">7<" in page and "Edit my profile" not in page
    assert "Edit my profile" in as_alice.get("/people/alice/").content.decode()


@pytest.mark.parametrize("changes", [{"link": "javascript:alert(1)"}, {"link": "ftp://x.example"}, {"title": "x" * 81}, {"about": "x" * 2001}])
def test_a_profile_that_is_wrong_is_not_saved(as_alice, alice, changes):
    assert as_alice.post("/accounts/profile/", {"title": "", "about": "", "link": "", **changes}).status_code == 422
    alice.refresh_from_db()
    assert (alice.title, alice.about, alice.link) == ("", "", "")


def test_whoever_is_not_here_has_no_page(client, alice):
    assert client.get("/people/nobody/").status_code == 404
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert client.get("/people/alice/").status_code == 404


@pytest.mark.parametrize("path", ["/accounts/profile/", "/organisations/new/", "/organisations/harbour/members/", "/organisations/harbour/edit/", "/notifications/", "/device/",
                                  "/learnwares/alice/crane/access/", "/learnwares/alice/crane/ask/"])
def test_pages_of_ones_own_ask_to_sign_in_first(client, harbour, crane, path):
    answer = client.get(path)
    assert answer.status_code == 302 and answer.url.startswith("/accounts/sign-in/?next=")


def test_an_organisation_is_founded_and_its_members_come_and_go(as_alice, as_bob, alice, bob):
    assert as_alice.post("/organisations/new/", {"username": "alice"}).status_code == 422
    answer = as_alice.post("/organisations/new/", {"username": "harbour", "title": "The Harbour"})
    assert answer.url == "/organisations/harbour/members/"
    assert as_bob.get(answer.url).status_code == 403
    assert as_alice.post(answer.url, {"username": "nobody", "role": "reader"}).status_code == 422
    assert as_alice.post(answer.url, {"username": "bob", "role": "writer"}, follow=True).status_code == 200
    assert "bob" in as_alice.get(answer.url).content.decode().split("Invited")[1]
    assert as_bob.get(answer.url).status_code == 403 and "The Harbour" in as_bob.get("/invitations/").content.decode()
    assert as_bob.post("/invitations/harbour/", {"answer": "accept"}).url == "/people/harbour/"
    page = as_bob.get(answer.url).content.decode()
    assert "Invite a member" not in page and "Leave" in page
    assert "The Harbour" in as_bob.get("/people/bob/").content.decode() and "bob" in as_bob.get("/people/harbour/").content.decode()
    as_bob.post("/organisations/harbour/members/bob/role/", {"role": "admin"})
    assert Membership.objects.get(user=bob).role == "writer"
    as_alice.post("/organisations/harbour/members/bob/role/", {"role": "reader"})
    assert Membership.objects.get(user=bob).role == "reader"
    assert "last admin" in as_alice.post("/organisations/harbour/members/alice/remove/", follow=True).content.decode()
    assert "You have left harbour" in as_bob.post("/organisations/harbour/members/bob/remove/", follow=True).content.decode()


def test_an_organisation_is_edited_and_deleted_by_its_admins(as_alice, as_bob, harbour):
    assert as_bob.get("/organisations/harbour/edit/").status_code == as_bob.post("/organisations/harbour/delete/").status_code == 403
    as_alice.post("/organisations/harbour/edit/", {"title": "The Old Harbour", "about": "", "link": ""})
    assert "The Old Harbour" in as_bob.get("/people/harbour/").content.decode()
    offered(harbour, "pilot", homes(), table(np.random.default_rng(0)))
    assert "never deleted" in as_alice.get("/organisations/harbour/edit/").content.decode()
    assert "owns 1 learnware" in as_alice.post("/organisations/harbour/delete/", follow=True).content.decode()
    harbour.learnwares.all().delete()
    assert "harbour is deleted" in as_alice.post("/organisations/harbour/delete/", follow=True).content.decode()


def test_the_access_page_opens_and_closes_doors(as_alice, as_bob, alice, bob, crane):
    path = "/learnwares/alice/crane/access/"
    assert as_bob.get(path).status_code == 403
    assert "gated" in as_alice.post(f"{path}change/", {"visibility": "public", "is_gated": "on"}, follow=True).content.decode()
    assert "no such" not in as_bob.post("/learnwares/alice/crane/ask/", {"words": "For my thesis."}, follow=True).content.decode()
    page = as_alice.get(path).content.decode()
    assert "For my thesis." in page and "Let in" in page
    asked = AccessRequest.objects.get()
    assert as_bob.post(f"{path}requests/{asked.pk}/", {"state": "granted"}).status_code == 403
    assert "may use it now" in as_alice.post(f"{path}requests/{asked.pk}/", {"state": "granted"}, follow=True).content.decode()
    assert "Revoke" in as_alice.get(path).content.decode() and "You were let in" in as_bob.get("/learnwares/alice/crane/ask/").content.decode()
    assert as_alice.post(f"{path}share/", {"username": "nobody"}).status_code == 422
    assert "bob sees it now" in as_alice.post(f"{path}share/", {"username": "bob"}, follow=True).content.decode()
    assert "no longer shared" in as_alice.post(f"{path}share/bob/end/", follow=True).content.decode()
    assert "Visibility is one of" in as_alice.post(f"{path}change/", {"visibility": "secret"}, follow=True).content.decode()


def test_a_page_of_access_to_what_one_does_not_see_is_not_there(as_bob, alice, crane):
    access.change(crane, alice, visibility="private")
    assert {as_bob.get(f"/learnwares/alice/crane/{page}/").status_code for page in ("access", "ask")} == {404}


def test_asking_twice_says_so(as_bob, alice, bob, crane):
    access.change(crane, alice, gated=True)
    access.ask(crane, bob, "")
    assert as_bob.post("/learnwares/alice/crane/ask/", {"words": ""}).status_code == 409
    assert "Your request waits" in as_bob.get("/learnwares/alice/crane/ask/").content.decode()


def test_who_was_turned_down_reads_from_when_on_to_ask_again(as_bob, alice, bob, crane):
    access.change(crane, alice, gated=True)
    asked = access.ask(crane, bob, "")
    access.decide(asked, alice, "denied")
    page = as_bob.get("/learnwares/alice/crane/ask/").content.decode()
    assert "You may ask again from" in page and 'name="words"' not in page
    AccessRequest.objects.update(decided=timezone.now() - access.ASK_AGAIN)
    page = as_bob.get("/learnwares/alice/crane/ask/").content.decode()
    assert "has turned your request down" in page and "You may ask again from" not in page and 'name="words"' in page


def test_the_bell_counts_and_the_page_empties_it(client, as_alice, alice):
    assert "Nothing to tell yet" in as_alice.get("/notifications/").content.decode() and "bell-count" not in as_alice.get("/").content.decode()
    for words in ("One.", "Two."):
        notices.tell(alice, "usable", words, "/mine/")
    page = as_alice.get("/notifications/").content.decode()
    assert "bell-count" in page and "One." in page and "Mark all as read" in page
    as_alice.post("/notifications/read/", {"id": str(Notification.objects.first().pk)})
    assert notices.unread(alice) == 1
    as_alice.post("/notifications/read/", {"id": "not-an-id"})
    as_alice.post("/notifications/read/")
    assert notices.unread(alice) == 0
    assert "bell" not in client.get("/").content.decode().split("<main")[0].split("container-xl")[1]


def test_a_device_is_found_by_its_code(as_alice):
    assert "Type the code" in as_alice.get("/device/").content.decode()
    grant, _ = devices.ask("<b>laptop</b>", ["admin"])
    page = as_alice.get("/device/", {"user_code": grant.user_code.lower()}).content.decode()
    assert "&lt;b&gt;laptop&lt;/b&gt;" in page and "Everything, tokens included" in page
    assert as_alice.get("/device/", {"user_code": "x"}).status_code == 404
    assert "turned away" in as_alice.post("/device/", {"user_code": grant.user_code, "decision": "perhaps"}).content.decode()  # what is no yes is a no


def test_the_token_page_says_what_each_may_do_and_when_it_was_used(as_alice, alice):
    create_token(alice, "laptop", ["read", "upload"])
    page = as_alice.get("/tokens/").content.decode()
    assert "laptop" in page and "never used" in page and "valid until" in page and "Offer learnwares in your name" in page
    assert ApiToken.objects.get().name == "laptop"
