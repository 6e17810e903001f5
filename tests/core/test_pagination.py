"""Cursors: nobody can forge one or use it for another list, and a refusal reveals nothing."""

import pytest
from tests.fixtures.clock import START
from tests.fixtures.hostile import each_change, encode

from keyfob.core.encryption import SecretKeyring
from keyfob.core.http.pages import next_link
from keyfob.core.pagination import Cursors, read_timed_place, timed_place
from keyfob.core.problems import InvalidCursor
from keyfob.core.secrets import new_id

OLD, NEW = "the old secret key, of 32 or more", "the new secret key, of 32 or more"
ID = new_id(START)
PLACE = timed_place(START, ID)


def cursors_of(*secrets: str) -> Cursors:
    return Cursors(SecretKeyring(secrets).derive("cursors"))


CURSORS = cursors_of(OLD)
TEXT = CURSORS.write("users created_at", PLACE)


def test_what_is_written_is_read() -> None:
    assert CURSORS.read("users created_at", TEXT) == PLACE
    assert read_timed_place(PLACE) == (START, ID)
    for place in ([], ["é", "\n", '"'], ["x" * 500]):
        assert CURSORS.read("kind", CURSORS.write("kind", place)) == place


def test_every_change_of_every_character_is_seen() -> None:
    for changed in each_change(TEXT, per_place=3):
        with pytest.raises(InvalidCursor):
            CURSORS.read("users created_at", changed)


@pytest.mark.parametrize(
    "text", ["", "A", "é", "\ud800", "!" * 20, encode(b"{}"), TEXT[:-1], TEXT + "A", "A" * 1025]
)
def test_what_is_no_cursor_of_ours_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        CURSORS.read("users created_at", text)


@pytest.mark.parametrize("kind", ["users -created_at", "users email", "logins x", "", "users"])
def test_a_cursor_of_another_list_or_order_is_refused(kind: str) -> None:
    with pytest.raises(InvalidCursor):
        CURSORS.read(kind, TEXT)


def test_a_new_secret_key_reads_the_old_ones_cursors() -> None:
    assert cursors_of(NEW, OLD).read("users created_at", TEXT) == PLACE
    with pytest.raises(InvalidCursor):
        cursors_of(NEW).read("users created_at", TEXT)


def test_the_next_page_keeps_the_query_but_for_its_place() -> None:
    query = {"limit": "10", "cursor": "old", "skip": "5", "search": "a&b=c"}

    link = next_link("/auth/admin/users", query, "new")

    assert link == '</auth/admin/users?limit=10&search=a%26b%3Dc&cursor=new>; rel="next"'
