"""Requests of apps at the authorization endpoint, checked by their registration.

OAuth 2.1 section 4.1.1, OpenID Connect Core section 3.1.2.1. What is wrong with the client or its
redirect URI is said on a page, since nobody may be sent there; anything else is told to the app.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self
from uuid import UUID

from keyfob.authority.models import STRONG, WEAK
from keyfob.clients.documents import is_document_url
from keyfob.clients.models import Grant, RegisteredClient
from keyfob.clients.service import Clients
from keyfob.clients.uris import find_redirect_uri
from keyfob.core.forms import Form
from keyfob.core.locales import Locale
from keyfob.core.problems import OAuthError, Problem
from keyfob.core.text import size_of
from keyfob.oauth.asked_claims import read_claims
from keyfob.oauth.authentication import read_client_id
from keyfob.oauth.claims import scopes_of
from keyfob.oauth.client_documents import ClientDocuments
from keyfob.oauth.errors import InvalidRequestObject
from keyfob.oauth.request_objects import RequestObjects
from keyfob.oauth.targets import Targets
from keyfob.sessions.models import AskedClaims
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.id_tokens import IdTokens

# Of S256 (RFC 7636 section 4.2), and of a key (RFC 7638 section 3).
_SHA_256 = re.compile(r"[A-Za-z0-9_-]{43}\Z")
PROMPTS = ("none", "login", "consent", "select_account", "create")
_LONGEST_NONCE, _LONGEST_STATE = 512, 2048  # bytes
_LONGEST_HINT = 320
_LONGEST_AGE = 10**9
# Of OpenID Connect Core Error Code unmet_authentication_requirements 1.0.
UNMET = "unmet_authentication_requirements"


class UnknownApp(Problem):
    """The client is unknown or disabled, no app, or has not registered this redirect URI.

    The browser is not sent there: it may be anybody's address (RFC 9700 section 4.11.2).
    """

    status = 400
    code = "unknown_app"
    title = "The app that sent you here is not registered, or asks to return to an unknown address"


class Asked(NamedTuple):
    """A checked request of an app. `audience` names resources; without any, it is for `userinfo`.

    `max_age` is in seconds. `wants_factor`: a sign-in with a second factor, if its user has one.
    `needs_factor`: no other sign-in will do. `user_id`: the only user that may answer. `claims` are
    asked for by name, beyond those of the scope. `language` is that of the pages. `dpop_jkt`: the
    key that has to be proven with the code (RFC 9449 section 10).
    """

    client_id: UUID
    redirect_uri: str
    form_post: bool
    state: str | None
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    challenge: str | None
    nonce: str | None
    prompt: tuple[str, ...]
    max_age: int | None
    login_hint: str | None
    wants_factor: bool
    user_id: UUID | None = None
    language: str | None = None
    needs_factor: bool = False
    claims: AskedClaims = AskedClaims()
    dpop_jkt: str | None = None

    @property
    def consented(self) -> tuple[str, ...]:
        """The scope that its user is asked for: single claims in the words of theirs."""
        named = scopes_of((*self.claims.userinfo, *self.claims.id_token))
        return tuple(dict.fromkeys((*self.scope, *named)))

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `_asdict` has written, as JSON gives it back."""
        lists = {name: tuple(stored[name]) for name in ("scope", "audience", "prompt")}
        ids = {name: UUID(stored[name]) for name in ("client_id", "user_id") if stored.get(name)}
        claims = AskedClaims(*map(tuple, stored.get("claims", ())))
        return cls(**{**stored, **lists, **ids, "claims": claims})


def scope_in(right: str) -> str:
    """Return the scope in what `Targets.rights_of` has written; others are scopes already."""
    return right.rpartition(" ")[2]


class RefusedToApp(Exception):
    """A refusal that the app is told (OAuth 2.1 section 4.1.2.1), at its redirect URI."""

    def __init__(self, asked: Asked, error: str, description: str = "") -> None:
        super().__init__(error)
        self.asked, self.error, self.description = asked, error, description


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Checks what apps ask for."""

    clients: Clients
    targets: Targets
    id_tokens: IdTokens
    documents: ClientDocuments
    objects: RequestObjects
    require_par: bool

    async def find_app(self, client_id: UUID | None) -> RegisteredClient:
        """Return a client by which people sign in.

        Raises:
            UnknownApp: there is none with that id, or it is disabled.
        """
        known = await self.clients.find(client_id) if client_id else None
        if known is None or Grant.AUTHORIZATION_CODE not in known.client.grants:
            raise UnknownApp
        return known.client

    async def read(self, form: Form) -> tuple[RegisteredClient, Asked]:
        """Return the client of a request that a browser has brought, and what it asks for.

        Raises:
            UnknownApp, UnusableDocument: nobody can be told what is wrong.
            Unavailable: too many documents of clients are being fetched.
            InvalidRequestObject: it is signed, and that is not valid.
            RefusedToApp: the request is not valid, or should have been pushed.
        """
        client = await self._find(form.get("client_id"))
        try:
            asked = await self.read_of(client, form)
        except InvalidRequestObject as refusal:
            # The app can be told by what stands outside, at a place that it has registered.
            if not _is_registered(client, form):
                raise
            raise RefusedToApp(self._begin(client, form), refusal.code) from None
        if self.require_par or client.require_par:
            raise RefusedToApp(asked, "invalid_request", "Push the request to /oauth2/par first")
        return client, asked

    async def _find(self, client_id: str | None) -> RegisteredClient:
        """Return the app of a `client_id`, which may be the URL of its document."""
        if client_id is not None and self.documents.hosts.is_on and is_document_url(client_id):
            return await self.documents.find(client_id)
        client = await self.find_app(read_client_id(client_id))
        if client.client_id != client_id:
            raise UnknownApp
        return client

    async def read_of(self, client: RegisteredClient, form: Form) -> Asked:
        """Return what a client asks for; only what it has signed counts, if it has signed.

        Raises:
            InvalidRequestObject: that is not valid.
            UnknownApp: it has not registered the redirect URI.
            RefusedToApp: the request is not valid.
        """
        opened = await self.objects.open(client, form)
        if not _is_registered(client, opened):
            raise UnknownApp
        asked = self._begin(client, opened)
        if client.require_signed_request and opened is form:
            raise RefusedToApp(asked, "invalid_request", "The request should be signed")
        return self._read(client, opened, asked)

    def _begin(self, client: RegisteredClient, form: Form) -> Asked:
        """Return a request of which nothing has been checked but where it came from."""
        mode = form.get("response_mode")
        return Asked(
            client_id=client.id,
            redirect_uri=form.need("redirect_uri"),
            form_post=mode == "form_post",
            state=form.get("state"),
            scope=(),
            audience=(),
            challenge=form.get("code_challenge"),
            nonce=form.get("nonce"),
            prompt=tuple(dict.fromkeys((form.get("prompt") or "").split())),
            max_age=None,
            login_hint=_short(form.get("login_hint")),
            # Voluntary, and in order of preference (OpenID Connect Core section 3.1.2.1).
            wants_factor=(form.get("acr_values") or "").split()[:1] == [STRONG],
            user_id=self._hinted(client, form.get("id_token_hint")),
            language=known_language(form.get("ui_locales") or ""),
            dpop_jkt=form.get("dpop_jkt"),
        )

    def _read(self, client: RegisteredClient, form: Form, asked: Asked) -> Asked:
        if asked.state is not None and size_of(asked.state) > _LONGEST_STATE:
            raise RefusedToApp(asked._replace(state=None), "invalid_request", "state is too long")
        self._check_form(asked, form)
        self._check_challenge(asked, client, form)
        scope, audience = self._choose(asked, client, form)
        asked = _with_claims(asked, form) if "openid" in scope else asked
        return asked._replace(scope=scope, audience=audience, max_age=_age(asked, form))

    def _hinted(self, client: RegisteredClient, hint: str | None) -> UUID | None:
        """Return whom an `id_token_hint` names; one that is no ID token of this app is ignored."""
        if hint is None:
            return None
        try:
            return self.id_tokens.read_hint(hint, client.client_id).subject
        except TokenRejected:
            return None

    def _check_form(self, asked: Asked, form: Form) -> None:
        mode = form.get("response_mode")
        for name in ("request_uri", "registration"):
            if form.get(name) is not None:
                raise RefusedToApp(asked, f"{name}_not_supported")
        if form.get("response_type") not in {None, "code"}:
            raise RefusedToApp(asked, "unsupported_response_type")
        wrong = {
            "response_type is missing": form.get("response_type") is None,
            "response_mode is query or form_post": mode not in {None, "query", "form_post"},
            "prompt has an unknown value": not set(asked.prompt) <= set(PROMPTS),
            "prompt=none stands alone": "none" in asked.prompt and len(asked.prompt) > 1,
            "nonce is too long": size_of(asked.nonce) > _LONGEST_NONCE,
            "dpop_jkt is no thumbprint": not _SHA_256.match(asked.dpop_jkt or "-" * 43),
        }
        for description, is_so in wrong.items():
            if is_so:
                raise RefusedToApp(asked, "invalid_request", description)

    def _check_challenge(self, asked: Asked, client: RegisteredClient, form: Form) -> None:
        method = form.get("code_challenge_method")
        if asked.challenge is None:
            if client.require_pkce or client.is_public or method is not None:
                raise RefusedToApp(asked, "invalid_request", "code_challenge is missing")
            return
        # Without a method it would be `plain`, which reveals the verifier.
        if method != "S256" or not _SHA_256.match(asked.challenge):
            raise RefusedToApp(asked, "invalid_request", "code_challenge_method should be S256")

    def _choose(
        self, asked: Asked, client: RegisteredClient, form: Form
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        try:
            return self.targets.choose_for_user(client, form)
        except OAuthError as refusal:
            told = refusal.detail or refusal.title
            raise RefusedToApp(asked, refusal.code, told) from None


def _is_registered(client: RegisteredClient, form: Form) -> bool:
    uri = form.get("redirect_uri")
    return uri is not None and find_redirect_uri(client, uri)


def _short(hint: str | None) -> str | None:
    """Return a hint, if it may be an address. Threat: it is stored, and anybody may send one."""
    return hint if hint is not None and len(hint) <= _LONGEST_HINT else None


def known_language(tags: str) -> str | None:
    """Return the first language that the app prefers and that we know."""
    known = {locale.value for locale in Locale}
    wanted = (tag.partition("-")[0].lower() for tag in tags.split())
    return next((language for language in wanted if language in known), None)


def _with_claims(asked: Asked, form: Form) -> Asked:
    """Return a request with what its `claims` parameter asks for."""
    try:
        read = read_claims(form.get("claims"))
    except ValueError as fault:
        raise RefusedToApp(asked, "invalid_request", str(fault)) from None
    if read.acr and read.acr.isdisjoint((WEAK, STRONG)):
        raise RefusedToApp(asked, UNMET)
    if read.subject and asked.user_id not in {None, read.subject}:
        raise RefusedToApp(asked, "invalid_request", "claims and id_token_hint name two users")
    return asked._replace(
        claims=read.names,
        needs_factor=read.needs_factor,
        wants_factor=asked.wants_factor or read.prefers_factor,
        user_id=read.subject or asked.user_id,
    )


def _age(asked: Asked, form: Form) -> int | None:
    text = form.get("max_age")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_LONGEST_AGE)):
        raise RefusedToApp(asked, "invalid_request", "max_age is a number of seconds")
    return int(text)
