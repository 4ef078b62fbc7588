"""JSON that people type into forms goes through the same strict door as files: what nests deeply or is no number is a complaint, no crash."""

import pytest
from rest_framework.serializers import ValidationError

from marketplace.jobs.serializers import JsonField
from marketplace.matching.forms import Reuse

HOSTILE = ["[" * 100_000, '{"a":' * 50_000, '{"a": NaN}', '{"a": 1, "a": 2}', '{"a": 1e999}', '{"a": ' + "9" * 5_000 + "}", '{"a": "\\ud800"}', '{"a": "\\u0000"}', "\ud800"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_form_says_what_is_wrong(text):
    with pytest.raises(ValidationError):
        JsonField().to_internal_value(text)
    form = Reuse({"params": text, "members": text})
    assert not form.is_valid() and "params" in form.errors and "members" in form.errors


def test_what_is_plain_passes():
    assert JsonField().to_internal_value('{"alpha": 0.3}') == JsonField().to_internal_value(b'{"alpha": 0.3}') == {"alpha": 0.3}
