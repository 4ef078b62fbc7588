"""The map: islands that do not overlap, places whose distances are those of the data, newcomers that move nobody."""

import json

import numpy as np
import pytest
from django.core.cache import cache
from django.http import QueryDict

import specs
from marketplace.catalog import exploring, mapping, services, shelf
from marketplace.catalog.models import Island, Learnware, Place, Version
from tests.marketplace.rows import homes, offered, table


@pytest.fixture(autouse=True)
def fresh(db):
    shelf.forget()
    cache.delete("catalog-map")
    yield
    shelf.forget()


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def catalog(alice, rng):
    return [offered(alice, f"at-{int(10 * shift)}", homes(), table(rng, shift)) for shift in (0.0, 0.2, 3.0, 3.2)]


def place(version):
    at = Place.objects.get(version=version)
    return np.array([at.x, at.y])


def test_who_learned_from_like_data_lies_near(catalog):
    assert mapping.lay_out() == 4
    at = [place(version) for version in catalog]
    near, far = np.linalg.norm(at[0] - at[1]), np.linalg.norm(at[0] - at[2])
    assert near < 0.4 * far and np.linalg.norm(at[2] - at[3]) < 0.4 * far


def test_places_keep_the_order_of_exact_distances(alice, rng):
    shifts = np.linspace(0, 2, 8)
    versions = [offered(alice, f"line-{i}", homes(), table(rng, shift)) for i, shift in enumerate(shifts)]
    mapping.lay_out()
    rkmes = [mapping._rkme(version.pk, version.specification_id) for version in versions]
    exact = [specs.squared_mmd(rkmes[0], rkme) ** 0.5 for rkme in rkmes[1:]]
    drawn = [np.linalg.norm(place(versions[0]) - place(version)) for version in versions[1:]]
    assert np.corrcoef(exact, drawn)[0, 1] > 0.9


def test_a_newcomer_is_placed_without_moving_anybody(alice, rng):
    old = [offered(alice, f"old-{i}", homes(), table(rng, i / 4)) for i in range(8)]
    mapping.lay_out()
    before = [place(version) for version in old]
    new = offered(alice, "new", homes(), table(rng, 1.0))
    assert mapping.lay_out() == 1
    assert np.allclose(before, [place(version) for version in old])
    assert np.argmin([np.linalg.norm(place(new) - at) for at in before]) in (3, 4, 5)


def test_an_island_that_grew_by_a_quarter_is_laid_out_anew(alice, rng):
    for i in range(8):
        offered(alice, f"old-{i}", homes(), table(rng, i / 4))
    mapping.lay_out()
    first = Island.objects.get()
    for i in range(3):
        offered(alice, f"new-{i}", homes(), table(rng, 5.0))
    assert mapping.lay_out() == 11
    again = Island.objects.get()
    assert again.generation == first.generation + 1 and again.size == 11


def test_what_is_withdrawn_leaves_and_nothing_is_done_twice(catalog, alice):
    mapping.lay_out()
    assert mapping.lay_out() == 0
    services.withdraw(catalog[0], alice)
    mapping.lay_out()
    assert not Place.objects.filter(version=catalog[0]).exists() and Place.objects.count() == 3


def test_only_one_process_draws_at_a_time(catalog):
    cache.add("catalog-map", "somebody", 60)
    assert mapping.lay_out() == 0 and not Place.objects.exists()


def test_islands_of_several_spaces_do_not_overlap(alice, rng):
    for i in range(5):
        space = specs.Space.from_table({"depth": rng.normal(i, 1, 60)}, name=f"waters {i}")
        for k in range(i + 1):
            offered(alice, f"w-{i}-{k}", space, {"depth": rng.normal(i + k, 1, 60)})
    mapping.lay_out()
    held = list(Island.objects.all())
    for one in held:
        for other in held:
            assert one == other or np.hypot(one.x - other.x, one.y - other.y) > one.radius + other.radius
        inside = Place.objects.filter(version__space=one.space)
        assert all(np.hypot(at.x - one.x, at.y - one.y) < one.radius for at in inside)
    assert max(island.x + island.radius for island in held) <= 1.0 and min(island.x - island.radius for island in held) >= 0.0


def test_many_discs_are_packed_apart_and_on_few_paper():
    radii = np.sort(np.sqrt(2.0 ** np.random.default_rng(0).integers(0, 8, 300)))[::-1]
    centres = mapping.pack(radii)
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2) - radii[:, None] - radii[None]
    assert apart[~np.eye(len(radii), dtype=bool)].min() > 0
    assert (radii**2).sum() > 0.4 * np.abs(centres).max(axis=0).prod()


def test_what_is_private_shapes_nothing_and_is_shown_to_its_owner_alone(catalog, alice, bob):
    mapping.lay_out()
    before = {at.version_id: (at.x, at.y) for at in Place.objects.all()}
    offered(alice, "hidden", homes(), table(np.random.default_rng(9), -6.0))
    Learnware.objects.filter(name="hidden").update(visibility="private")
    assert mapping.lay_out() == 1
    assert before == {at.version_id: (at.x, at.y) for at in Place.objects.filter(version__in=before)}
    seen = {person: json.loads(mapping.document(shelf.look(person))) for person in (None, bob, alice)}
    assert [len(seen[person]["x"]) for person in (None, bob, alice)] == [4, 4, 5]
    assert seen[None]["islands"][0]["n"] == 4 and seen[alice]["islands"][0]["n"] == 5


def test_the_lasso_filters_list_facets_and_counts_but_not_the_map(catalog):
    mapping.lay_out()
    at = place(catalog[0])
    lasso = ";".join(f"{at[0] + dx:.5f},{at[1] + dy:.5f}" for dx, dy in ((-0.01, -0.01), (0.01, -0.01), (0.01, 0.01), (-0.01, 0.01)))
    found = exploring.found(QueryDict(f"lasso={lasso}"), None)
    assert [version.pk for version in found] == [catalog[0].pk] and found.facets()["task"] == {"classification": 1}
    assert len(mapping.points(found)["x"]) == 4 and mapping.islands(found)[0]["n"] == 4


def test_the_endpoint_says_when_nothing_has_changed(client, catalog):
    mapping.lay_out()
    answer = client.get("/api/v1/map")
    said = answer.json()
    assert len(said["x"]) == len(said["y"]) == len(said["task"]) == len(said["uses"]) == 4 and said["tasks"][said["task"][0]] == "classification"
    again = client.get("/api/v1/map", headers={"if-none-match": answer["ETag"]})
    assert again.status_code == 304 and not again.content
    assert client.get("/api/v1/map?task=regression", headers={"if-none-match": answer["ETag"]}).json()["x"] == []
    assert client.get("/api/v1/map?lasso=1").status_code == 422


def test_pointing_at_the_map_shows_what_lies_nearest(client, catalog):
    mapping.lay_out()
    at = place(catalog[2])
    page = client.get("/explore/near/", {"x": at[0], "y": at[1]}).content.decode()
    assert catalog[2].reference in page
    assert client.get("/explore/near/", {"x": "nan", "y": 1}).status_code == 404 and client.get("/explore/near/").status_code == 404


def test_a_check_that_ends_well_rings_for_the_map(catalog, monkeypatch, django_capture_on_commit_callbacks):
    from marketplace.catalog import tasks, worker

    rung = []
    monkeypatch.setattr(tasks.lay_out_map, "apply_async", lambda **options: rung.append(options))
    Version.objects.filter(pk=catalog[0].pk).update(status="checking", token="t")
    with django_capture_on_commit_callbacks(execute=True):
        worker._finish(catalog[0], "t", report={})
    assert len(rung) == 1


def test_the_command_says_what_it_did(catalog, capsys):
    from django.core.management import call_command

    call_command("lay_out_map")
    call_command("lay_out_map", "--anew")
    assert capsys.readouterr().out.count("4 placed or moved; 4 learnwares on 1 islands.") == 2
