"""Small words of the templates."""

import pytest

from marketplace.catalog.templatetags import moorage as words


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (1234567, "1\u2009234\u2009567"), (0.00001, "1e-05"), (3.14159, "3.142"), (1e12, "1e+12"), (float("nan"), "–"), (None, "–"), (True, "–"), ("text", "text"), (-2500.4, "-2\u2009500")],
)
def test_figures(value, said):
    assert words.figure(value) == said


@pytest.mark.parametrize(("value", "said"), [(0, "0 %"), (0.004, "< 1 %"), (0.5, "50 %"), (1, "100 %"), (None, "–"), ("x", "–")])
def test_percent(value, said):
    assert words.percent(value) == said


@pytest.mark.parametrize(("value", "said"), [(0.0123, "12 ms"), (5.44, "5.4 s"), (75, "1 min 15 s"), (None, "–")])
def test_seconds(value, said):
    assert words.seconds(value) == said


@pytest.mark.parametrize(("value", "said"), [(0.0001, "< 0.001"), (0.12345, "0.123"), (None, "–")])
def test_distances(value, said):
    assert words.distance(value) == said


@pytest.mark.parametrize(("value", "said"), [(0.00002, "< 0.0001"), (0.001437, "0.0014"), (0.9801, "0.98"), (1, "1.00"), (None, "–")])
def test_chances(value, said):
    assert words.chance(value) == said


@pytest.mark.parametrize(("size", "said"), [(1, "1 byte"), (643, "643 bytes"), (29_800, "29.8 kB"), (999_600, "1000 kB"), (4_800_000, "4.8 MB"), (2_000_000_000, "2.0 GB")])
def test_sizes_of_files(size, said):
    assert words.file_size(size) == said


def test_options_in_code_are_not_torn_and_markup_stays_text():
    assert words.unbroken("moorage match a-b <c> --url x -o y") == (
        'moorage match a-b &lt;c&gt; <span class="text-nowrap">--url</span> x <span class="text-nowrap">-o</span> y'
    )


def test_backticks_become_code_and_markup_stays_text():
    assert words.ticks("Run `moorage convert <x>` now & then") == "Run <code>moorage convert &lt;x&gt;</code> now &amp; then"


@pytest.mark.parametrize(
    ("output", "said"),
    [({"kind": "value", "target": "price", "unit": "USD"}, "Predicts price in USD"), ({"kind": "value", "target": "price", "unit": None}, "Predicts price"),
     ({"kind": "classes", "target": "digit", "classes": list("0123456789")}, "Tells digit apart: 0, 1, 2, 3 and 6 more"), ({}, "")],
)
def test_an_output_in_words(output, said):
    assert words.output_words(output) == said


def test_code_is_shown_as_it_was_written():
    from django.template import Context, Template

    page = Template('{% load moorage %}{% code "a" "Command" %}moorage describe x.csv\nmoorage match{% endcode %}').render(Context())
    assert "moorage describe x.csv\nmoorage match</code>" in page and 'id="code-a"' in page and "{%" not in page


def test_levels_are_counted_beyond_the_eighth():
    assert words.level_words([f"l{i}" for i in range(11)]).endswith("and 3 more") and "<code>l0</code>" in words.level_words(["l0"])
