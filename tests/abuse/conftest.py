"""The service as the abuse list meets it."""

import pytest

from keyfob.settings import Settings


@pytest.fixture
def limited(settings: Settings) -> Settings:
    """The settings with limits as they are by default."""
    return settings.model_copy(update={"limits": "on"})
