"""Trusted proxies can name any client, so no setting may trust everybody by mistake."""

import pytest

from keyfob.settings import WrongSetting, load_settings


@pytest.mark.parametrize("networks", ["0.0.0.0/0", "::/0", "10.0.0.0/8,0.0.0.0/0"])
def test_everybody_is_no_proxy(networks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYFOB_TRUSTED_PROXIES", networks)

    with pytest.raises(WrongSetting, match="KEYFOB_TRUSTED_PROXIES: should not be everybody"):
        load_settings()
