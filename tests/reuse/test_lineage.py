import pytest

from reuse import lineage


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], "CC0-1.0"),
        (["MIT", "Apache-2.0"], "Apache-2.0"),
        (["MIT", "CC-BY-4.0", "Apache-2.0"], "CC-BY-4.0"),
        (["MIT", "GPL-3.0"], "GPL-3.0"),
        (["LGPL-3.0", "GPL-3.0"], "GPL-3.0"),
        (["GPL-3.0", "AGPL-3.0"], "AGPL-3.0"),
        (["Apache-2.0", "GPL-2.0"], None),
        (["GPL-2.0", "GPL-3.0"], None),
        (["CC-BY-NC-4.0", "GPL-3.0"], None),
        (["CC-BY-NC-4.0", "MIT"], "CC-BY-NC-4.0"),
        (["ODbL-1.0", "CC-BY-SA-4.0"], None),
    ],
)
def test_the_result_has_the_strictest_licence_of_its_parts_or_none(parts, expected):
    assert lineage.licence(parts) == expected
    assert lineage.licence(parts[::-1]) == expected


def test_every_licence_that_may_be_offered_has_its_place():
    from reuse.manifest import LICENCES

    assert set(LICENCES) == set(lineage.STRICTNESS)
