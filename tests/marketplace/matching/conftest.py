import pytest

from marketplace.matching import index


@pytest.fixture(autouse=True)
def fresh_index():
    """Numbers of changes begin anew when a test is rolled back: an index must not remember those of the last."""
    index.forget()
