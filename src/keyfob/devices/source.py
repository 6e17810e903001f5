"""The source of a request, as services see it: without HTTP."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """A client: its address (None if there is no IP, as on a unix socket) and its self-description.

    `languages` is its Accept-Language header.
    """

    address: str | None
    user_agent: str
    languages: str = ""
