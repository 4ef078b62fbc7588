"""Snapshots of an index: whole or not there, verified to the last bit, searched as what they were taken of."""

import shutil
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import specs
from specs import SpecError
from specs.engines import faiss as local
from specs.index import SpaceIndex


def clouds(space, count, seed=0):
    rng = np.random.default_rng(seed)
    return [specs.reduce(rng.normal(size=(60, space.d)) * rng.uniform(0.3, 1.5) + rng.normal(size=space.d), sigma=space.sigma, points=6, seed=i) for i in range(count)]


@pytest.fixture(scope="module")
def space():
    rng = np.random.default_rng(0)
    return specs.Space.from_table({f"c{i}": rng.normal(size=400) for i in range(5)}, name="five")


@pytest.fixture
def index(space):
    made = SpaceIndex(space)
    keys = [uuid4() for _ in range(60)]
    made.add_all(keys, clouds(space, 60))
    made.remove_all(keys[10:13])
    return made


def same(one, other, asked):
    return one.search(asked, 20) == other.search(asked, 20) and one.mixture(asked)[0] == other.mixture(asked)[0]


@pytest.mark.parametrize("flat", [50_000, 70])
def test_what_is_opened_finds_what_was_written(space, index, tmp_path, flat, monkeypatch):
    monkeypatch.setattr(local, "FLAT", flat)
    monkeypatch.setattr(local, "EXPECTED", 4_096)
    extra, more = uuid4(), [uuid4() for _ in range(19)]
    index.add_all([extra, *more], clouds(space, 20, 5))
    digest = index.snapshot(tmp_path / "1", generation=3, last=41)
    opened, generation, last = SpaceIndex.open(space, tmp_path / "1", digest)
    assert (generation, last, len(opened)) == (3, 41, 77) and extra in opened
    for asked in clouds(space, 5, 9):
        assert same(index, opened, asked)
    assert index.rkme(extra).points.tobytes() == opened.rkme(extra).points.tobytes()


def test_an_opened_one_lives_on_and_can_be_written_again_and_leaves_its_files_alone(space, index, tmp_path):
    digest = index.snapshot(tmp_path / "1", generation=1, last=0)
    opened, *_ = SpaceIndex.open(space, tmp_path / "1", digest)
    new = [uuid4() for _ in range(30)]
    for made in (index, opened):
        made.add_all(new, clouds(space, 30, 3))
        made.remove_all(new[:4])
    asked = clouds(space, 1, 8)[0]
    assert {key for key, _ in opened.search(asked, 10)} == {key for key, _ in index.search(asked, 10)}
    second = opened.snapshot(tmp_path / "2", generation=2, last=7)
    again, *_ = SpaceIndex.open(space, tmp_path / "2", second)
    assert len(again) == 83 and again.search(asked, 10) == opened.search(asked, 10)
    first, *_ = SpaceIndex.open(space, tmp_path / "1", digest)  # its bytes are as they were
    assert len(first) == 57


def test_points_can_live_in_files(space, index, tmp_path):
    on_disk = SpaceIndex(space, folder=tmp_path / "points")
    keys, rkmes = [uuid4() for _ in range(40)], clouds(space, 40)
    in_memory = SpaceIndex(space)
    for made in (on_disk, in_memory):
        made.add_all(keys, rkmes)
        made.add(keys[3], rkmes[4])
    asked = clouds(space, 1, 9)[0]
    assert on_disk.search(asked, 15) == in_memory.search(asked, 15) and len(on_disk) == 40 and keys[3] in on_disk and uuid4() not in on_disk


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_bit_or_a_cut_file_is_found_wherever_it_is(space, index, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("snapshots") / "1"
    digest = index.snapshot(folder, generation=1, last=0)
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    content = bytearray(path.read_bytes())
    harm = data.draw(st.sampled_from(["flip", "cut", "remove"]))
    if harm == "flip" and content:
        at = data.draw(st.integers(0, 8 * len(content) - 1))
        content[at // 8] ^= 1 << (at % 8)
        path.write_bytes(content)
    elif harm == "cut" and content:
        path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    else:
        path.unlink()
    with pytest.raises(SpecError) as refused:
        SpaceIndex.open(space, folder, digest)
    assert refused.value.code == "damaged-snapshot"


def test_the_snapshot_of_another_space_is_refused(space, index, tmp_path):
    digest = index.snapshot(tmp_path / "1", generation=1, last=0)
    other = specs.Space(name="other", columns=space.columns, sigma=space.sigma)
    with pytest.raises(SpecError, match="another space"):
        SpaceIndex.open(other, tmp_path / "1", digest)


def test_an_empty_index_has_nothing_to_write(space, tmp_path):
    with pytest.raises(SpecError, match="something in it"):
        SpaceIndex(space).snapshot(tmp_path / "1", generation=1, last=0)


def test_a_specification_of_another_space_is_not_searched_for(space, index):
    other = specs.Rkme(points=np.zeros((1, 3)), weights=np.ones(1), sigma=space.sigma, n=5)
    for ask in (index.search, index.mixture):
        with pytest.raises(SpecError, match="stands in another"):
            ask(other)


def test_an_index_whose_files_another_process_took_away_is_not_written_and_nothing_is_left(space, index, tmp_path):
    digest = index.snapshot(tmp_path / "1", generation=1, last=41)
    opened, *_ = SpaceIndex.open(space, tmp_path / "1", digest)
    shutil.rmtree(tmp_path / "1")
    with pytest.raises(SpecError) as refused:
        opened.snapshot(tmp_path / "2", generation=2, last=41)
    assert refused.value.code == "no-snapshot" and list(tmp_path.iterdir()) == []
    assert same(index, opened, clouds(space, 1, 9)[0])  # what is mapped stays
