"""The answers of Keyfob's API as types: each is a dictionary, as JSON has it.

Ids are UUIDs and times RFC 3339 in UTC, both as strings. A newer Keyfob may add fields, and values
where a few are named here, such as a further `status`.
"""

from typing import Any, TypedDict


class Device(TypedDict):
    """The source of a session or of an attempt to sign in.

    Attributes:
        device_type: mobile, tablet, desktop, bot or unknown.
    """

    ip_address: str | None
    device_type: str
    browser: str | None
    os: str | None
    platform: str | None


class User(TypedDict):
    """An account.

    Attributes:
        role: user, moderator or admin.
        status: active or blocked.
        locale: the language of mails.
        online: whether it was active within the last five minutes.
        total_active_time: seconds.
    """

    id: str
    email: str
    email_verified: bool
    name: str | None
    role: str
    status: str
    locale: str
    timezone: str | None
    created_at: str
    last_active_at: str | None
    online: bool
    total_active_time: int


class OwnUser(User):
    """One's own account; `erase_at` if one has asked for its removal."""

    erase_at: str | None


class Session(Device):
    """A live session; `current` if the call came from it."""

    id: str
    kind: str
    login_at: str
    last_activity_at: str
    expires_at: str
    current: bool


class Grant(TypedDict):
    """All that one app has of a user.

    Attributes:
        scope: what the user consented to; empty if nobody was asked.
        given_at: None if nobody was asked.
        grants: how often the app is signed in now.
        offline_access: whether some of it outlives a sign-out.
    """

    client_id: str
    name: str
    scope: list[str]
    audience: list[str]
    given_at: str | None
    grants: int
    last_used_at: str | None
    offline_access: bool


class UserWithSessions(User):
    """An account with its live sessions."""

    login_sessions: list[Session]


class LoginEvent(Device):
    """An attempt to sign in, or an end of sessions.

    Attributes:
        outcome: succeeded, refused or ended.
        reason: such as wrong_password.
        email: masked where no account has it.
        session_id: None if several sessions ended.
    """

    id: str
    at: str
    outcome: str
    reason: str
    user_id: str | None
    email: str | None
    name: str | None
    session_id: str | None


class Party(TypedDict):
    """A user, client or resource that an audit event names; a user alone has an address."""

    kind: str
    email: str | None
    name: str | None


class AuditEvent(TypedDict):
    """An administrative or security change.

    Attributes:
        position: the place in the chain, without gaps.
        actor: None if Keyfob itself did it, or if the actor is no more.
    """

    id: str
    position: int
    at: str
    action: str
    actor_id: str | None
    actor: Party | None
    target_id: str | None
    target: Party | None
    old_values: dict[str, Any]
    new_values: dict[str, Any]
    ip_address: str | None


class Period(TypedDict):
    """An hour or a day: what happened in it, and how things were at its end.

    Attributes:
        ended: ends of sessions.
        reasons: the attempts and ends by their reason.
        active: accounts that were active in the hour, or in 24 hours.
        accounts: None if the end is to come, or is not known; likewise below.
    """

    since: str
    until: str
    succeeded: int
    refused: int
    ended: int
    reasons: dict[str, int]
    registrations: int
    active: int | None
    accounts: int | None
    with_factor: int | None
    with_passkey: int | None
    live_sessions: int | None


class Present(TypedDict):
    """The present figures.

    Attributes:
        active_day: accounts that were active in the last 24 hours.
        active_month: in the last 30 days.
        admins_without_factor: active administrators.
    """

    accounts: int
    by_status: dict[str, int]
    by_role: dict[str, int]
    active_day: int
    active_month: int
    with_factor: int
    with_passkey: int
    live_sessions: int
    admins_without_factor: int


class BulkLine(TypedDict, total=False):
    """The outcome for one user of a change of many.

    Attributes:
        outcome: done or refused.
        event_id: of what can be undone, the event to undo it by.
        undoes: the event that was to be undone.
        code: of a refusal, as of an error of the API.
        title: likewise.
    """

    id: str
    outcome: str
    event_id: str
    undoes: str
    code: str
    title: str


class BulkReport(TypedDict):
    """The outcome of a change of many users; `left` of them were not reached, for `code`."""

    lines: list[BulkLine]
    done: int
    refused: int
    left: int
    code: str | None


class Statistics(TypedDict):
    """Figures by hour or day, and of the present; `as_of` is at most a minute ago.

    Attributes:
        devices: the kinds of devices of successful sign-ins.
        browsers: likewise, the ten that were used most.
    """

    by: str
    zone: str
    as_of: str
    periods: list[Period]
    devices: dict[str, int]
    browsers: dict[str, int]
    present: Present


class Factor(TypedDict):
    """A second factor; its `type` is totp or passkey."""

    id: str
    type: str
    name: str
    created_at: str
    last_used_at: str | None


class Factors(TypedDict):
    """The second factors of an account."""

    factors: list[Factor]
    recovery_codes_left: int


class BegunTotp(TypedDict):
    """An authenticator app that waits for its first code; the app reads `uri`, or the QR code."""

    id: str
    secret: str
    uri: str
    qr_svg: str


class RecoveryCodes(TypedDict):
    """New recovery codes, shown this once; none if there were some before."""

    recovery_codes: list[str]


class Ceremony(TypedDict):
    """The options of a passkey's ceremony, for the browser or whatever plays its part."""

    challenge_id: str
    options: dict[str, Any]


class NewPasskey(Factor):
    """A passkey that was added, with the recovery codes that come with the first factor."""

    recovery_codes: list[str]


class ApiKey(TypedDict):
    """An API key, without the key itself."""

    id: str
    name: str
    scope: list[str]
    created_at: str
    expires_at: str
    last_used_at: str | None


class NewApiKey(ApiKey):
    """An API key with the key itself, which is shown this once."""

    api_key: str


class Role(TypedDict):
    """A role and its permissions; user, moderator and admin are built in."""

    name: str
    permissions: list[str]
    built_in: bool


class GivenRole(TypedDict):
    """A further role that a user has; `given_by` is None for the command line."""

    role: str
    given_at: str
    given_by: str | None
    expires_at: str | None


class PermittingRole(TypedDict):
    """A role that gives a user a permission."""

    role: str
    expires_at: str | None


class Why(TypedDict):
    """A permission of a user, `held` or not, and the roles that give it."""

    permission: str
    held: bool
    status: str
    roles: list[PermittingRole]


class Client(TypedDict):
    """A registered program.

    Attributes:
        id: its `client_id`, unless it has a `document`.
        access_token_ttl: seconds.
        registered_by: administrator, itself or document.
        document: the URL at which it describes itself.
        kept_until: when it is forgotten, if no user lets it have anything.
    """

    id: str
    name: str
    kind: str
    grants: list[str]
    scope: list[str]
    resources: list[str]
    auth_method: str
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    access_token_ttl: int
    redirect_uris: list[str]
    first_party: bool
    require_pkce: bool
    id_token_alg: str
    post_logout_redirect_uris: list[str]
    backchannel_logout_uri: str | None
    backchannel_logout_session_required: bool
    registered_by: str
    document: str | None
    kept_until: str | None
    require_par: bool
    require_signed_request: bool
    rotate_refresh: bool
    dpop_bound: bool
    profile: str | None
    disabled: bool
    created_at: str
    updated_at: str


class Secret(TypedDict):
    """A secret of a client, without the secret itself."""

    id: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class NewSecret(Secret):
    """A secret with its text, which is shown this once."""

    client_secret: str


class Resource(TypedDict):
    """An API that tokens are for; `scopes` has a description of each by language."""

    id: str
    identifier: str
    name: str
    scopes: dict[str, dict[str, str]]
    access_token_ttl: int | None
    created_at: str
    updated_at: str


class PlannedErasure(TypedDict):
    """The moment at which an account will be erased."""

    erase_at: str
