"""base64url in canonical form only: other spellings would evade whatever remembers the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fixtures.hostile import each_change

from keyfob.core.encoding import from_base64url, to_base64url


@given(st.binary(max_size=80))
def test_what_is_written_is_read(data: bytes) -> None:
    text = to_base64url(data).decode()

    assert from_base64url(text) == data
    assert not set(text) & set("+/=")


@given(st.binary(min_size=1, max_size=40), st.data())
def test_no_two_texts_mean_the_same_bytes(data: bytes, draw: st.DataObject) -> None:
    text = to_base64url(data).decode()
    for changed in draw.draw(st.permutations(each_change(text, per_place=3)))[:20]:
        try:
            assert from_base64url(changed) != data
        except ValueError:
            continue


# RFC 4648 section 10, without padding.
@pytest.mark.parametrize(
    ("data", "text"),
    [(b"", ""), (b"f", "Zg"), (b"foo", "Zm9v"), (b"foob", "Zm9vYg"),
     (b"fo", "Zm8"),  # codespell:ignore fo - of the RFC
     (b"fooba", "Zm9vYmE"), (b"foobar", "Zm9vYmFy"), (b"\xfb\xff", "-_8")],
)  # fmt: skip
def test_the_rfcs_examples(data: bytes, text: str) -> None:
    assert to_base64url(data).decode() == text
    assert from_base64url(text) == data


@pytest.mark.parametrize(
    "text",
    ["Zg==", "Zg=", "Zh", "Zm9", "Z", "+_8", "-/8", "Zm 9v", "Zm9v\n", "Zm*v", "é", "\ud800", "=",
     "\x00", "Zm9vZ"],
)  # fmt: skip
def test_every_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever kind, all callers take it so
        from_base64url(text)
