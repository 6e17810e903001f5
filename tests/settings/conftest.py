"""Settings are read in an environment where nothing is configured, except by the test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keyfob.settings import Settings, WrongSetting, load_settings, variable_of

Refusal = Callable[..., str]


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without `.env`, and an environment without our variables."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(variable_of(name), raising=False)
    return tmp_path


@pytest.fixture
def refusal() -> Refusal:
    """Return the message of refused settings; an empty text if they are accepted."""

    def refused(**overrides: Any) -> str:
        try:
            load_settings(**overrides)
        except WrongSetting as fault:
            return str(fault)
        return ""

    return refused
