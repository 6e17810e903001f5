"""The source of a request, as services see it: without HTTP."""

from dataclasses import dataclass

from keyfob.core.locales import Locale, preferred_locale


@dataclass(frozen=True, slots=True)
class Source:
    """A client: its address (None if there is no IP, as on a unix socket) and its self-description.

    `languages` is its Accept-Language header. `is_page` tells whether a page of ours asks, which
    keeps its session in a cookie.
    """

    address: str | None
    user_agent: str
    languages: str = ""
    is_page: bool = False

    @property
    def locale(self) -> Locale:
        """Return the language in which a new account of this client gets its mails."""
        return preferred_locale(self.languages)
