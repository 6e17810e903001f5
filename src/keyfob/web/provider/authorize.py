"""The authorization endpoint: an app sends its user here, who goes back with a code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from fastapi import Depends
from starlette.responses import Response

from keyfob.clients.models import RegisteredClient
from keyfob.clients.resources import Resources
from keyfob.core.forms import FORM, Form, parse_form
from keyfob.core.http import Provided
from keyfob.core.locales import Locale
from keyfob.core.problems import FactorRequired, InsufficientAuthentication
from keyfob.limits.rates import OF_APPS
from keyfob.limits.requests import limited
from keyfob.oauth.asking import Asked, RefusedToApp, known_language
from keyfob.oauth.authorization import (
    Authorization,
    Step,
    Waiting,
    is_remembered,
    with_parameters,
)
from keyfob.web.provider.asked import AskedOfApi, asked_in_words
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

# Threat: an address with many accounts fills the database, by a row for each link that it follows.
_LIMITED = [Depends(limited("authorize", by="both", shared=OF_APPS))]

TheAuthorization = Annotated[Authorization, Provided(Authorization)]


@dataclass(frozen=True, kw_only=True)
class ConsentPage:
    """Asks a user whether an app may have what it asks for.

    `about` are scopes about the person, `apis` what is asked for at each API. `host` is where the
    app is; None for an app on the user's own machine. `is_other`: it asks for another user, and who
    is signed in cannot allow it. `is_stranger`: nobody here has registered the app; `described_at`
    is the host of the document in which it describes itself. `shown` is what the page shows, for
    the form: more than that is not given.
    """

    template: ClassVar[str] = "provider/consent.html"

    request: str
    here: str
    name: str
    host: str | None
    is_other: bool
    is_stranger: bool
    described_at: str | None
    about: list[str]
    apis: Sequence[AskedOfApi]
    shown: str


@dataclass(frozen=True, kw_only=True)
class GoingOnPage:
    """Leads back to the app.

    Not by a redirect: browsers follow none to another site after a form (`form-action`). `waits`:
    its user has to ask for it.
    """

    template: ClassVar[str] = "provider/going_on.html"

    url: str
    name: str
    waits: bool = False


@dataclass(frozen=True, kw_only=True)
class FormPostPage:
    """Carries the answer to the app in a form that sends itself (Form Post Response Mode)."""

    template: ClassVar[str] = "provider/form_post.html"

    url: str
    name: str
    fields: list[tuple[str, str]]
    waits: bool = False


@routes.get("/oauth2/authorize", dependencies=_LIMITED)
async def authorize(visit: AVisit, authorization: TheAuthorization) -> Response:
    """Answer the app at once if its user is signed in and nothing has to be asked."""
    query: bytes = visit.request.scope["query_string"]
    form = parse_form(query, FORM)
    speak(visit, form)
    handle = None
    try:
        (client, asked, came_at), handle = await authorization.arrive(form)
        _speak_as(visit, asked.language)
        step = await authorization.decide(client, asked, came_at, visit.user)
        if step is Step.ANSWER and visit.user is not None:
            told = await authorization.answer(client, asked, visit.user, handle)
            return await _redirect(visit, client, asked, told)
    except RefusedToApp as refusal:
        if handle is not None:
            await authorization.drop(handle)
        client = await authorization.asking.find_app(refusal.asked.client_id)
        told = authorization.refuse(refusal)
        if client.is_self_registered:
            return await _offer_way_back(visit, client, refusal.asked, told)
        return await _redirect(visit, client, refusal.asked, told)
    return visit.go("/ui/authorize", request=await authorization.keep(asked, handle))


@routes.post("/oauth2/authorize", dependencies=[Depends(limited("authorize", by="address"))])
async def authorize_by_form(visit: AVisit, authorization: TheAuthorization) -> Response:
    """Store the request: a form of another site brings no cookie, and a GET of ours does."""
    request = visit.request
    form = parse_form(
        await request.body(), request.headers.get("content-type", ""), request.scope["query_string"]
    )
    speak(visit, form)
    try:
        (_, asked, _), handle = await authorization.arrive(form)
    except RefusedToApp as refusal:
        client = await authorization.asking.find_app(refusal.asked.client_id)
        told = authorization.refuse(refusal)
        if client.is_self_registered:
            return await _offer_way_back(visit, client, refusal.asked, told)
        return await _lead_on(visit, client, refusal.asked, told)
    _speak_as(visit, asked.language)
    return visit.go("/ui/authorize", request=await authorization.keep(asked, handle))


@routes.get("/ui/authorize", dependencies=_LIMITED)
async def go_on(
    visit: AVisit,
    authorization: TheAuthorization,
    resources: Annotated[Resources, Provided(Resources)],
) -> Response:
    """Ask a user whatever a stored request needs: to sign in, to prove it, to consent."""
    handle = visit.request.query_params.get("request", "")
    waiting = await authorization.find(handle)
    client, asked, _ = waiting
    try:
        step = await authorization.decide(*waiting, visit.user)
        if step is Step.ANSWER and visit.user is not None:
            told = await authorization.answer(client, asked, visit.user, handle)
            return await _lead_on(visit, client, asked, told)
    except RefusedToApp as refusal:
        await authorization.drop(handle)
        told = authorization.refuse(refusal)
        if client.is_self_registered:
            return await _offer_way_back(visit, client, asked, told)
        return await _lead_on(visit, client, asked, told)
    if step is Step.SIGN_IN or visit.user is None:
        return _to_sign_in(visit, asked)
    if step is Step.PROVE:
        raise FactorRequired if visit.user.is_restricted else InsufficientAuthentication(0)
    waiting = waiting._replace(asked=authorization.narrowed(asked, visit.user))
    page = _consent_page(
        visit,
        handle,
        waiting,
        resources,
        is_other=step is Step.SWITCH,
        shown="\n".join(_rights(authorization, waiting.asked)),
    )
    return await visit.show(page)


@routes.post("/ui/authorize", dependencies=_LIMITED)
async def decide(visit: AVisit, authorization: TheAuthorization) -> Response:
    """Do what the user has decided on the page."""
    user, handle = visit.user, visit.fields.get("request")
    client, asked, came_at = await authorization.find(handle)
    if user is None:
        return visit.go("/ui/authorize", request=handle)
    if visit.fields.get("decision") != "allow":
        await authorization.drop(handle)
        refusal = RefusedToApp(asked, "access_denied")
        return await _lead_on(visit, client, asked, authorization.refuse(refusal))
    try:
        step = await authorization.decide(client, asked, came_at, user)
    except RefusedToApp as refusal:
        await authorization.drop(handle)
        return await _lead_on(visit, client, asked, authorization.refuse(refusal))
    now = _rights(authorization, authorization.narrowed(asked, user))
    # Threat: the user has been given more rights since the page was opened.
    is_more = set(now) - set(visit.fields.get("shown").splitlines())
    if step not in {Step.CONSENT, Step.ANSWER} or is_more:
        return visit.go("/ui/authorize", request=handle)
    told = await authorization.answer(client, asked, user, handle, allows=True)
    return await _lead_on(visit, client, asked, told)


def speak(visit: Visit, form: Form) -> None:
    """Speak the first language that the app prefers and that we know."""
    _speak_as(visit, known_language(form.get("ui_locales") or ""))


def _speak_as(visit: Visit, language: str | None) -> None:
    if language is not None:
        visit.choose_language(Locale(language))


def _to_sign_in(visit: Visit, asked: Asked) -> Response:
    path = "/ui/register" if "create" in asked.prompt else "/ui/sign-in"
    hint = asked.login_hint if asked.login_hint and "@" in asked.login_hint else ""
    return visit.go(path, return_to=visit.here, email=hint)


def _consent_page(
    visit: Visit,
    handle: str,
    waiting: Waiting,
    resources: Resources,
    *,
    is_other: bool,
    shown: str,
) -> ConsentPage:
    client, asked, _ = waiting
    about, apis = asked_in_words(asked.consented, asked.audience, resources, visit.locale)
    return ConsentPage(
        request=handle,
        here=visit.here,
        name=client.name,
        host=urlsplit(asked.redirect_uri).netloc if is_remembered(asked.redirect_uri) else None,
        is_other=is_other,
        is_stranger=client.is_self_registered,
        described_at=urlsplit(client.document).netloc if client.document else None,
        about=about,
        apis=apis,
        shown=shown,
    )


def _rights(authorization: Authorization, asked: Asked) -> tuple[str, ...]:
    """Return what a request asks for, for comparing: rights, and the APIs that they are for."""
    rights = authorization.asking.targets.rights_of(asked.consented, asked.audience)
    return (*rights, *asked.audience)


async def _redirect(
    visit: Visit, client: RegisteredClient, asked: Asked, told: dict[str, str]
) -> Response:
    """Answer the app whose link has led the browser here."""
    if asked.form_post:
        return await _post(visit, client, asked, told)
    return visit.go_to(with_parameters(asked.redirect_uri, told))


async def _offer_way_back(
    visit: Visit, client: RegisteredClient, asked: Asked, told: dict[str, str]
) -> Response:
    """Tell a user of a refusal, who may take it to the app.

    Threat: strangers register an app, and have everybody sent on to its address by a link of ours,
    of which something is wrong on purpose (RFC 9700 section 4.11.2).
    """
    return await _lead_on(visit, client, asked, told, waits=True)


async def _lead_on(
    visit: Visit,
    client: RegisteredClient,
    asked: Asked,
    told: dict[str, str],
    *,
    waits: bool = False,
) -> Response:
    """Answer the app after a form of ours."""
    if asked.form_post:
        return await _post(visit, client, asked, told, waits=waits)
    page = GoingOnPage(url=with_parameters(asked.redirect_uri, told), name=client.name, waits=waits)
    return await visit.show(page)


async def _post(
    visit: Visit,
    client: RegisteredClient,
    asked: Asked,
    told: dict[str, str],
    *,
    waits: bool = False,
) -> Response:
    page = FormPostPage(
        url=asked.redirect_uri, name=client.name, fields=list(told.items()), waits=waits
    )
    parts = urlsplit(asked.redirect_uri)
    origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
    return await visit.show(page, form_action=origin)
