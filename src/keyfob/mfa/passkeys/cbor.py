"""Which CBOR (RFC 8949) is given to a parser at all: what CTAP2 writes, and no more."""

_TAG = 6
_BYTES_AND_TEXT = (2, 3)
_LONGEST_ARGUMENT = 27  # beyond it are the reserved, and lengths that are not told beforehand
_MOST_ITEMS = 256


class NotPlain(ValueError):
    """CBOR that no authenticator writes."""


def ensure_plain(data: bytes) -> None:
    """See that there are few items in the data, each of a length that it tells, and no tag.

    Threat: the parser obeys tags. One compiles a regular expression, one reads a mail, one raises
    ten to any power: a passkey of 12 KB held the interpreter for fifteen seconds. CTAP2 (section 8)
    allows none of them. Only heads are read here, one after the other; whether the items make
    sense together is the parser's to say.

    Raises:
        NotPlain: it is none of that.
    """
    at = items = 0
    while at < len(data):
        kind, told = divmod(data[at], 32)
        if kind == _TAG or told > _LONGEST_ARGUMENT or items == _MOST_ITEMS:
            raise NotPlain("it has tags, lengths that are not told, or too many items")
        size = 1 << (told - 24) if told >= 24 else 0
        argument = int.from_bytes(data[at + 1 : at + 1 + size]) if size else told
        at += 1 + size + (argument if kind in _BYTES_AND_TEXT else 0)
        items += 1
