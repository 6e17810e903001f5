"""The plugin for pytest, which finds it by itself once the package is installed."""

from collections.abc import Iterator

import pytest

from keyfob_client.testing.keyfob import FakeKeyfob


@pytest.fixture
def keyfob() -> Iterator[FakeKeyfob]:
    """Give a stand-in for Keyfob: `keyfob.trusted_by(verifier)`, then `keyfob.user().headers`."""
    with FakeKeyfob() as keyfob:
        yield keyfob
