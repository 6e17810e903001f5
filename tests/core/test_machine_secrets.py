"""Secrets of programs: recognized by their form, kept as a MAC, valid under an older key, too."""

import re

import pytest

from keyfob.core.encryption import SecretKeyring
from keyfob.core.machine_secrets import MachineSecrets

OLD, NEW = "o" * 32, "n" * 32


def secrets_of(*keys: str) -> MachineSecrets:
    return MachineSecrets(SecretKeyring(keys).derive("api keys"), "kfk_")


def test_a_secret_has_the_documented_form_and_is_another_each_time() -> None:
    made = [secrets_of(OLD).make().text for _ in range(50)]

    assert all(re.fullmatch(r"kf[ks]_[0-9A-Za-z]{49}", text) for text in made)
    assert len(set(made)) == 50


def test_a_secret_is_recognized_by_what_is_kept_of_it() -> None:
    text, digest = secrets_of(OLD).make()

    assert secrets_of(OLD).digests(text) == [digest]
    assert text.encode() not in digest


def test_a_secret_is_recognized_after_the_secret_key_was_rotated() -> None:
    text, digest = secrets_of(OLD).make()

    first, second = secrets_of(NEW, OLD).digests(text)

    assert second == digest
    assert first.startswith(secrets_of(NEW, OLD).key_id)
    assert not digest.startswith(secrets_of(NEW, OLD).key_id)
    assert digest not in secrets_of(NEW).digests(text)


@pytest.mark.parametrize("place", range(4 + 43 + 6))
def test_one_wrong_character_is_seen_without_a_look_up(place: int) -> None:
    text = secrets_of(OLD).make().text
    wrong = "a" if text[place] != "a" else "b"

    assert secrets_of(OLD).digests(text[:place] + wrong + text[place + 1 :]) == []


@pytest.mark.parametrize("text", ["", "kfk_", "kfk_" + "ä" * 49, "kfs_" + "0" * 49, "k" * 10_000])
def test_what_we_did_not_make_has_no_digest(text: str) -> None:
    assert secrets_of(OLD).digests(text) == []


def test_a_secret_of_another_kind_is_none() -> None:
    clients = MachineSecrets(SecretKeyring([OLD]).derive("client secrets"), "kfs_")

    assert secrets_of(OLD).digests(clients.make().text) == []
