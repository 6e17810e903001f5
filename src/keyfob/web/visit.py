"""A visit: one request of a browser for a page, with its reader, its form and its response."""

import gzip
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from urllib.parse import unquote, urlencode
from zoneinfo import available_timezones

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Match

from keyfob.accounts.models import OwnUserOut
from keyfob.accounts.profiles import Profiles
from keyfob.authority.models import Permission, User
from keyfob.authority.requiring import holds
from keyfob.authority.roles import Roles
from keyfob.core.clock import Clock
from keyfob.core.http.kept import takes_gzip
from keyfob.core.http.streams import LongAnswer
from keyfob.core.locales import Locale, gettext, preferred_locale, speaking
from keyfob.core.problems import (
    DatabaseUnavailable,
    Unauthenticated,
)
from keyfob.devices.source import Source
from keyfob.sessions.browser import BrowserSession, BrowserSessions
from keyfob.sessions.models import OpenedSession
from keyfob.web import cookies
from keyfob.web.cookies import CookieJar, read_cookie
from keyfob.web.engine import NOTHING, Engine, Page, Said, Shell, Undo
from keyfob.web.forms import Fields
from keyfob.web.parts.times import move_to, reading
from keyfob.web.targets import safe_target

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    # "no-referrer" would make the Origin of our own forms null.
    "Referrer-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
    "Vary": "Accept-Encoding, Accept-Language, Cookie, Sec-Fetch-Site",
}
_COMPRESSION = 3  # a quarter of a millisecond for a list; 6 would take three times that for 10 %


# What a form and the query of its page call alike, and what only strangers may have in a query.
_ALIKE, _OF_STRANGERS = ("return_to", "request", "user_code", "kind"), ("email", "name")


def _kept(query: str, more: Mapping[str, str]) -> str:
    """Return a query without the language and the height of rows that it chooses.

    `more` are the fields of a form, which take the place of those of the query.
    """
    gone = ("lang=", "height=", *(f"{name}=" for name in more))
    kept = [part for part in query.split("&") if part and not part.startswith(gone)]
    return "&".join([*kept, *([urlencode(more)] if more else [])])


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


class Visit:
    """One request for a page: who asks, in which language, with which form, and the answer.

    `session` is None for a stranger; `fields` are those of the form.
    """

    def __init__(self, request: Request, source: Source) -> None:
        settings, self._services = request.app.state.settings, request.app.state.services
        self.request = request
        self.source = source
        self.session: BrowserSession | None = None
        self.fields = Fields({})
        self.public_base: str = settings.public_base
        self.origins: list[str] = settings.return_to_origins
        self.engine: Engine = self._services[Engine]
        self.jar = CookieJar(self.public_base)
        self.clock: Clock = self._services[Clock]
        self._set_cookies: dict[str, str] = {}
        self._headers: dict[str, str] = {}
        self._profile: OwnUserOut | None = None
        self.had_cookie = False
        self.locale = self._choose_locale()
        # For `require`: an Authorization header means nothing here.
        request.state.subject = Unauthenticated(presented=False)

    async def find_session(self) -> None:
        """Find the session of the browser's cookie, if there is one.

        Raises:
            DatabaseUnavailable: nothing can be found now.
        """
        value = read_cookie(self.request.scope, self.jar.name_of(cookies.SESSION))
        if value is None:
            return
        self.had_cookie = True
        session = await self._services[BrowserSessions].find(value)
        if session is not None:
            self._keep(session)

    @property
    def user(self) -> User | None:
        """The signed-in user; None for a stranger."""
        return self.session.user if self.session else None

    @property
    def path(self) -> str:
        """The path of this page, without the public prefix."""
        scope = self.request.scope
        path: str = scope["path"].removeprefix(scope["root_path"])
        return path

    @property
    def here(self) -> str:
        """The public path of this page, with its query."""
        return self.link(self.path) + (f"?{self.query}" if self.query else "")

    @property
    def query(self) -> str:
        """The query as it came; Starlette would make a whole URL for it."""
        query: bytes = self.request.scope["query_string"]
        return query.decode(errors="replace")

    @property
    def zone(self) -> str | None:
        """The reader's time zone (IANA), as the browser says it; None if it is not known."""
        told = unquote(read_cookie(self.request.scope, cookies.ZONE) or "")
        return told if told in _zones() else None

    async def move_to_own_zone(self) -> None:
        """Show times in the zone that the account has chosen, if it has, rather than here."""
        if self.session is None or self.request.method != "GET":
            return
        with suppress(Unauthenticated, DatabaseUnavailable):  # as in `_shell`
            zone = (await self.profile()).timezone
            if zone in _zones():
                move_to(zone)

    @property
    def return_to(self) -> str:
        """The place to which the form or the query asks to return; empty if it asks for none."""
        asked = self.fields.get("return_to") or self.request.query_params.get("return_to", "")
        return safe_target(asked, self.public_base, self.origins) or ""

    async def profile(self) -> OwnUserOut:
        """Return the account of the signed-in user, read once.

        Raises:
            Unauthenticated: nobody is signed in, or the account has just been erased.
        """
        if self._profile is None:
            if self.session is None:
                raise Unauthenticated
            self._profile = await self._services[Profiles].read(self.session.user)
        return self._profile

    def keep(self, cookie: str, value: str, age: timedelta) -> None:
        """Have the browser keep a value that no script reads; none if it is too long."""
        if len(value) <= cookies.LONGEST:
            now = self.clock.now()
            self._set_cookies[cookie] = self.jar.write(cookie, value, now + age, now)

    def kept(self, cookie: str) -> str | None:
        """Return the value that the browser keeps; None if there is none."""
        return read_cookie(self.request.scope, self.jar.name_of(cookie))

    def forget(self, *kept: str) -> None:
        """Have the browser forget values."""
        for cookie in kept:
            self._set_cookies[cookie] = self.jar.drop(cookie)

    def arrive(self) -> None:
        """Forget what was kept on the way: a half-done sign-in, an address, where to return to."""
        self.forget(cookies.STEP, cookies.SENT, cookies.RETURN)

    def done(self, words: Mapping[str, str]) -> str | None:
        """Return the sentence about what was just done, by its name in the query; None for none."""
        said = words.get(self.request.query_params.get("done", ""))
        return gettext(said) if said else None

    def link(self, path: str, /, **query: str) -> str:
        """Return a link to one of our pages; empty parameters are left out."""
        kept = {name: value for name, value in query.items() if value}
        return f"{self.engine.root}{path}" + (f"?{urlencode(kept)}" if kept else "")

    def begin_session(self, opened: OpenedSession) -> None:
        """Give the browser the cookie of a session that was just opened or renewed."""
        self._keep(self._services[BrowserSessions].begin(opened))

    async def replace_cookie(self) -> None:
        """Give the browser a new cookie, since its session may do more now."""
        if self.session is not None:
            renewed = await self._services[BrowserSessions].replace(self.session)
            if renewed is not None:
                self._keep(renewed)

    def end_session(self) -> None:
        """Have the browser forget its cookie, and what it has kept of our pages."""
        self.session = None
        self.forget(cookies.SESSION)
        self._headers["Clear-Site-Data"] = '"cache"'

    async def may_still(self, permission: Permission) -> bool:
        """Tell whether the reader of a long answer still has a permission; no activity."""
        # As it is now: a proof in the form has renewed the session, and its old cookie is nobody's.
        value = self.session.cookie if self.session else None
        user = await self._services[BrowserSessions].recognise(value) if value else None
        return user is not None and await holds(self._services, user, permission)

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Write in the reader's language and zone, in this task alone."""
        with speaking(self.locale), reading(self.zone, self.clock.now()):
            yield

    async def render(self, page: Page) -> str:
        """Return the HTML of a page or a part of one, for `write`; call it within `speaking`."""
        return await self.engine.render(page, await self._shell())

    def write(self, pieces: AsyncIterator[bytes], *, close: Callable[[], object]) -> Response:
        """Return a page that is written piece by piece; `close` is called in the end."""
        headers = {**_HEADERS, "Content-Language": self.locale}
        return LongAnswer(pieces, media_type="text/html", close=close, headers=headers)

    async def show(
        self,
        page: Page,
        status: int = 200,
        *,
        toast: str | None = None,
        undo: Undo | None = None,
        not_done: str | None = None,
        form_action: str | None = None,
        keeps_form: bool = False,
    ) -> Response:
        """Return a page as the response; `toast` says what was just done, `undo` undoes it.

        `not_done` says what was tried and has not been done. `form_action` is another origin to
        which a form of the page leads. `keeps_form`: the page contains what was typed before, for
        sending it again.
        """
        can_move = self._can_move(status, keeps_form=keeps_form)
        said = Said(toast=toast, undo=undo, not_done=not_done)
        html = (await self.engine.render(page, await self._shell(said, can_move=can_move))).encode()
        headers = {**_HEADERS, "Content-Language": self.locale}
        if form_action is not None:
            policy = _CSP.replace("form-action 'self'", f"form-action {form_action}")
            headers["Content-Security-Policy"] = policy
        if self._may_compress:
            html = gzip.compress(html, _COMPRESSION, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return HTMLResponse(html, status_code=status, headers=headers)

    @property
    def _may_compress(self) -> bool:
        """Tell whether the page may be sent compressed.

        Threat: another site leads the browser to a page whose address repeats a guess, and the
        length of what comes tells whether the page contains it (BREACH).
        """
        asked = self.request.headers
        is_own = asked.get("sec-fetch-site") in {"same-origin", "none"}
        return is_own and takes_gzip(asked.get("accept-encoding", ""))

    def go(self, path: str, /, **query: str) -> Response:
        """Send the browser on to one of our pages, after a form."""
        return self.go_to(self.link(path, **query))

    def go_to(self, url: str) -> Response:
        """Send the browser on to a URL that is known to be safe."""
        return RedirectResponse(url, status_code=303, headers=_HEADERS)

    def json(self, content: object) -> Response:
        """Return JSON, for a script of the page."""
        return JSONResponse(content, headers={"Cache-Control": "no-store"})

    def answer(self, response: Response) -> Response:
        """Add the cookies and headers of this visit to its response."""
        for cookie in self._set_cookies.values():
            response.headers.append("set-cookie", cookie)
        response.headers.update(self._headers)
        return response

    def choose_language(self, locale: Locale) -> None:
        """Remember a language that the reader has chosen."""
        self.locale = locale
        if self.engine.signs_in:
            self._set_cookies[cookies.LANGUAGE] = self.jar.write_plain(cookies.LANGUAGE, locale)

    def remembered(self, cookie: str, asked: str, choices: Collection[str]) -> str:
        """Return the choice that the query makes, and remember it; else the one remembered.

        It is empty if there is neither.
        """
        if asked in choices:
            if self.engine.signs_in:
                self._set_cookies[cookie] = self.jar.write_plain(cookie, asked)
            return asked
        kept = read_cookie(self.request.scope, cookie) or ""
        return kept if kept in choices else ""

    def _keep(self, session: BrowserSession) -> None:
        self.session = session
        self.request.state.subject = session.user
        if not session.is_new:
            return
        self._set_cookies[cookies.SESSION] = self.jar.write(
            cookies.SESSION, session.cookie, session.expires_at, self.clock.now()
        )

    def _choose_locale(self) -> Locale:
        asked = self.request.query_params.get("lang", "")
        kept = read_cookie(self.request.scope, cookies.LANGUAGE) or ""
        known = {locale.value for locale in Locale}
        if asked in known:
            self.choose_language(Locale(asked))
            return Locale(asked)
        return Locale(kept) if kept in known else preferred_locale(self.source.languages)

    def _can_move(self, status: int, *, keeps_form: bool) -> bool:
        """Tell whether this page can be asked for once more, in another language.

        An answer to a form is at no address of its own. If it was refused, the page of the form is
        there; else what it shows once (a secret, a report, the next form) would be lost.
        """
        if self.request.method in {"GET", "HEAD"}:
            return True
        return status >= 400 and not keeps_form and self._has_page

    @property
    def _has_page(self) -> bool:
        scope = {**self.request.scope, "method": "GET"}
        return any(
            route.matches(scope)[0] is Match.FULL
            for route in self.request.app.routes
            if not getattr(route, "path", "").endswith("{rest:path}")
        )

    @property
    def _kept_of_form(self) -> dict[str, str]:
        """The fields of a refused form that the query of its page may contain."""
        names = _ALIKE if self.user else _ALIKE + _OF_STRANGERS
        return {name: self.fields.line(name) for name in names if self.fields.line(name)}

    @property
    def _ends_in(self) -> tuple[int | None, bool]:
        """The seconds until the session ends, if nothing is asked for until then.

        And whether it goes on if something is: no session goes on for ever.
        """
        if self.session is None:
            return None, False
        unused = self._services[BrowserSessions].idle_ttl
        most = self.session.expires_at - self.clock.now()
        return max(0, int(min(most, unused).total_seconds())), unused < most

    async def _shell(self, said: Said = NOTHING, *, can_move: bool = False) -> Shell:
        user, can = None, frozenset[str]()
        ends_in, can_stay = self._ends_in
        height = self.request.query_params.get("height", "")
        if self.session is not None:
            # Gone: the account was just erased, or the database is away.
            with suppress(Unauthenticated, DatabaseUnavailable):
                user = await self.profile()
                can = self._services[Roles].permissions_of(self.session.user)
        return Shell(
            root=self.engine.root,
            signs_in=self.engine.signs_in,
            path=self.path,
            query=_kept(self.query, self._kept_of_form),
            can_move=can_move,
            locale=self.locale,
            zone=self.zone,
            user=user,
            can=can,
            brand=self.engine.brand,
            said=said,
            session_ends_in=ends_in if user else None,
            can_stay=can_stay,
            is_compact=self.remembered(cookies.HEIGHT, height, cookies.HEIGHTS) == "compact",
        )
