"""The file that keeps tokens: its owner alone has it, whatever others have put beside it."""

import os
import stat
import threading
from pathlib import Path

import pytest

from keyfob_client.api import FileStore, Tokens

TOKENS = Tokens("access", "refresh", 1.0, "session")


def test_no_file_that_others_left_in_the_folder_gets_the_tokens(tmp_path: Path) -> None:
    store, elsewhere = FileStore(tmp_path / "tokens"), tmp_path / "elsewhere"
    mine = f"tokens.{os.getpid()}.{threading.get_ident()}"
    (tmp_path / mine).touch()
    (tmp_path / mine).chmod(0o666)
    store.save(TOKENS)
    assert stat.S_IMODE((tmp_path / "tokens").stat().st_mode) == 0o600

    (tmp_path / mine).unlink(missing_ok=True)
    (tmp_path / mine).symlink_to(elsewhere)
    store.save(TOKENS)
    assert not elsewhere.exists()
    assert not (tmp_path / "tokens").is_symlink()
    assert store.load() == TOKENS


def test_a_lock_that_leads_elsewhere_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "tokens.lock").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="lock"):
        FileStore(tmp_path / "tokens").try_lock()

    assert not (tmp_path / "elsewhere").exists()


def test_tokens_that_cannot_be_written_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path / "tokens")
    store.save(TOKENS)

    def fail(_: int) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        store.save(TOKENS._replace(access_token="next"))

    assert [one.name for one in tmp_path.iterdir()] == ["tokens"]
    assert store.load() == TOKENS
