"""The HTTP contract as a table: each call with its permitted callers, its body and its answers."""

from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

# Shared refusals: any request may be unreadable (400) or find the service busy (503); one with a
# body may be too large (413), of another type (415) or invalid (422); one with parameters may be
# invalid, too.
ANY = {"bad_request"}
AWAY = {"database_unavailable"}
BODY = {"body_too_large", "unsupported_media_type", "unsupported_encoding", "invalid_input"}
BODY_OF_FORM = {"body_too_large", "unsupported_encoding"}
PARAMETERS = {"invalid_input"}
LIMITED = {"too_many_requests"}
COUNTED = {*LIMITED, "unavailable"}  # in a store, which may be down
# Signed in, and no program; also whose role asks for a factor that is not there yet.
ANYBODY = {"invalid_token", "forbidden"}
USER = {*ANYBODY, "factor_required"}
# With a token that is bound to a key, which programs may have.
PROVEN = {"invalid_dpop_proof", "use_dpop_nonce"}
ADMIN = {*USER, "insufficient_user_authentication"}
RECENT = {"insufficient_user_authentication"}


@dataclass(frozen=True)
class Call:
    """One line of the contract."""

    status: int
    answer: str | None
    codes: frozenset[str]
    body: str | None = None
    query: frozenset[str] = frozenset()
    headers: frozenset[str] = frozenset()
    authority: str | None = None


def public(status: int, answer: str, *codes: str, body: str) -> Call:
    return Call(status, answer, frozenset({*codes, *ANY, *AWAY, *BODY, *COUNTED}), body=body)


def user(status: int, answer: str | None, *codes: str, limited: bool = True, **more: Any) -> Call:
    shared = {*codes, *ANY, *AWAY, *USER, *(COUNTED if limited else ())}
    return Call(status, answer, frozenset(shared), authority="user", **more)


def anybody(status: int, answer: str | None, *codes: str, **more: Any) -> Call:
    shared = {*codes, *ANY, *AWAY, *ANYBODY, *COUNTED}
    return Call(status, answer, frozenset(shared), authority="user", **more)


def admin(status: int, answer: str | None, *codes: str, programs: bool = True, **more: Any) -> Call:
    shared = {*codes, *ANY, *AWAY, *ADMIN, *COUNTED, *(BODY if more.get("body") else ())}
    shared |= PROVEN if programs else set()
    return Call(status, answer, frozenset(shared), authority="admin", **more)


def proof(answer: str, *codes: str, body: str) -> Call:
    """A call that strangers and users may make."""
    shared = {*codes, *ANY, *AWAY, *BODY, *COUNTED, *ANYBODY}
    return Call(200, answer, frozenset(shared), body=body, authority="anyone")


def link(status: int, *codes: str, body: str) -> Call:
    """A call about a link: its answer has no body."""
    return Call(status, None, frozenset({*codes, *ANY, *AWAY, *BODY, *COUNTED}), body=body)


def service(answer: str | None) -> Call:
    return Call(200, answer, frozenset({*ANY, "unavailable"}))


def reader(**more: Any) -> Call:
    """A call of a program that follows the revocation feed: its answer is signed, and not JSON."""
    shared = {*ANY, *AWAY, *ADMIN, *PROVEN, *COUNTED, *PARAMETERS, "unavailable"}
    return Call(
        200, None, frozenset(shared), authority="reader", query=frozenset({"after"}), **more
    )


def oauth(answer: str | None, *codes: str, form: str, status: int = 200) -> Call:
    """A call of a client below /oauth2, whose refusals have the form of RFC 6749."""
    shared = {"invalid_client", *codes, *ANY, *AWAY, *BODY_OF_FORM, *LIMITED}
    return Call(status, answer, frozenset(shared), body=form, authority="client")


def userinfo(*codes: str, **more: Any) -> Call:
    """A call of an app with the token of its user."""
    shared = {"invalid_token", *PROVEN, "insufficient_scope", *codes, *ANY, *AWAY, *LIMITED}
    return Call(200, "UserInfo", frozenset(shared), authority="app", **more)


PAGE = {"limit", "cursor"}
LOGIN_FILTER = frozenset(
    {*PAGE, "outcome", "reason", "ip_address", "since", "until", "browser", "os"}
)
USER_FILTER = {
    *("search", "role", "status", "online", "never_proven"),
    *("verified", "factor", "created_after", "created_before", "active_after"),
}
LINK = frozenset({"Link"})
NO_USER = "user_not_found"
UNPROVEN = "email_unverified"

CONTRACT: dict[tuple[str, str], Call] = {
    # 2. Public
    ("POST", "/register"): public(
        201, "Tokens", "email_taken", "weak_password", "overloaded", body="Register"
    ),
    ("POST", "/login"): public(
        200,
        "Tokens",
        "invalid_credentials",
        "mfa_required",
        "account_blocked",
        "password_change_required",
        "too_many_attempts",
        "overloaded",
        body="Login",
    ),
    ("POST", "/refresh"): Call(  # counted in memory
        200,
        "Tokens",
        frozenset({"invalid_refresh_token", *ANY, *AWAY, *BODY, *LIMITED}),
        body="Refresh",
    ),
    # 3. User
    ("DELETE", "/logout"): anybody(204, None, "not_your_session", *BODY, body="Logout"),
    ("DELETE", "/logout-all"): anybody(204, None),
    ("GET", "/me"): user(200, "OwnUser", *PROVEN),
    ("GET", "/me/sessions"): user(200, "[Session]"),
    ("DELETE", "/me/sessions/{id}"): user(204, None, "session_not_found", *PARAMETERS),
    ("GET", "/me/grants"): user(200, "[Grant]"),
    ("DELETE", "/me/grants/{client_id}"): user(204, None, "grant_not_found", *PARAMETERS),
    ("GET", "/me/logins"): user(
        200, "[Login]", "invalid_cursor", *PARAMETERS, query=frozenset(PAGE), headers=LINK
    ),
    # 4. Administrative
    ("GET", "/admin/users"): admin(
        200,
        "[User]",
        "invalid_cursor",
        *PARAMETERS,
        query=frozenset({*USER_FILTER, "sort", "skip", *PAGE}),
        headers=frozenset({"X-Total-Count", "X-Total-Capped", "Link"}),
    ),
    ("POST", "/admin/users"): admin(
        201,
        "User",
        "email_taken",
        "weak_password",
        "overloaded",
        *RECENT,
        body="UserCreate",
        headers=frozenset({"Location"}),
    ),
    ("GET", "/admin/users.csv"): admin(
        200, None, *RECENT, *PARAMETERS, programs=False, query=frozenset(USER_FILTER)
    ),
    ("POST", "/admin/users/bulk"): admin(
        200, None, "count_differs", *RECENT, programs=False, body="BulkChange"
    ),
    ("POST", "/admin/users/bulk/undo"): admin(200, None, *RECENT, programs=False, body="BulkUndo"),
    ("GET", "/admin/users/{id}"): admin(200, "UserWithSessions", NO_USER, *PARAMETERS),
    ("PUT", "/admin/users/{id}"): admin(
        200, "User", NO_USER, "email_taken", "last_admin", UNPROVEN, *RECENT, body="UserChange"
    ),
    ("PATCH", "/admin/users/{id}"): admin(
        200, "User", NO_USER, "email_taken", "last_admin", UNPROVEN, *RECENT, body="UserChange"
    ),
    ("DELETE", "/admin/users/{id}"): admin(204, None, NO_USER, "last_admin", *RECENT, *PARAMETERS),
    ("DELETE", "/admin/users/{id}/logout-all"): admin(204, None, NO_USER, *RECENT, *PARAMETERS),
    ("GET", "/admin/users/{id}/grants"): admin(200, "[Grant]", NO_USER, *PARAMETERS),
    ("DELETE", "/admin/users/{id}/grants/{client_id}"): admin(
        204, None, NO_USER, "grant_not_found", *RECENT, *PARAMETERS
    ),
    ("GET", "/admin/users/{id}/logins"): admin(
        200, "[Login]", NO_USER, "invalid_cursor", *PARAMETERS, query=LOGIN_FILTER, headers=LINK
    ),
    ("GET", "/admin/logins"): admin(
        200,
        "[Login]",
        "invalid_cursor",
        *PARAMETERS,
        query=LOGIN_FILTER | {"user_id"},
        headers=LINK,
    ),
    ("GET", "/admin/audit"): admin(
        200,
        "[Audit]",
        "invalid_cursor",
        *PARAMETERS,
        query=frozenset(
            {
                *(*PAGE, "since", "until", "ip_address"),
                *("action", "actor_id", "target_id", "user_id"),
            }
        ),
        headers=LINK,
    ),
    ("GET", "/admin/statistics"): admin(
        200,
        "Statistics",
        "unavailable",
        *PARAMETERS,
        query=frozenset({"by", "since", "until", "zone"}),
    ),
    ("GET", "/admin/events/stream"): admin(
        200, None, "unavailable", *PARAMETERS, query=frozenset({"kind"})
    ),
    ("GET", "/admin/service"): admin(200, "Service", "unavailable"),
    ("GET", "/admin/service/checks"): admin(200, "[Finding]"),
    ("GET", "/admin/service/settings"): admin(200, "[Setting]"),
    ("GET", "/admin/service/signing-keys"): admin(200, "[SigningKey]"),
    ("GET", "/admin/outbox"): admin(
        200, "[Job]", *PARAMETERS, query=frozenset({"failed", "limit"})
    ),
    ("POST", "/admin/outbox/{id}/retry"): admin(204, None, "job_not_found", *PARAMETERS),
    ("DELETE", "/admin/outbox/{id}"): admin(204, None, "job_not_found", *PARAMETERS),
    ("POST", "/admin/mail-test"): admin(200, "MailTest", programs=False),
    # 8. Other services: revocations
    ("GET", "/revocations"): reader(headers=frozenset({"ETag"})),
    ("GET", "/revocations/stream"): reader(),
    # 8. Other services: administration
    ("GET", "/admin/clients"): admin(
        200, "[Client]", "invalid_cursor", *PARAMETERS, query=frozenset(PAGE), headers=LINK
    ),
    ("POST", "/admin/clients"): admin(
        201,
        "Client",
        *RECENT,
        "unknown_resource",
        "unknown_scope",
        body="ClientCreate",
        headers=frozenset({"Location"}),
    ),
    ("GET", "/admin/clients/{id}"): admin(200, "Client", "client_not_found", *PARAMETERS),
    ("PATCH", "/admin/clients/{id}"): admin(
        200,
        "Client",
        *RECENT,
        "client_not_found",
        "unknown_resource",
        "unknown_scope",
        body="ClientUpdate",
    ),
    ("DELETE", "/admin/clients/{id}"): admin(204, None, *RECENT, "client_not_found", *PARAMETERS),
    ("GET", "/admin/clients/{id}/secrets"): admin(200, "[Secret]", "client_not_found", *PARAMETERS),
    ("POST", "/admin/clients/{id}/secrets"): admin(
        201, "NewSecret", *RECENT, "client_not_found", "too_many_secrets", body="SecretCreate"
    ),
    ("DELETE", "/admin/clients/{id}/secrets/{secret}"): admin(
        204, None, *RECENT, "client_not_found", "secret_not_found", *PARAMETERS
    ),
    ("GET", "/me/api-keys"): user(200, "[Key]"),
    ("POST", "/me/api-keys"): user(
        201, "NewKey", *RECENT, "unknown_scope", "too_many_api_keys", *BODY, body="KeyCreate"
    ),
    ("PATCH", "/me/api-keys/{id}"): user(200, "Key", "api_key_not_found", *BODY, body="KeyRename"),
    ("DELETE", "/me/api-keys/{id}"): user(204, None, "api_key_not_found", *PARAMETERS),
    ("GET", "/admin/roles"): admin(200, "[Role]"),
    ("POST", "/admin/roles"): admin(
        201,
        "Role",
        *RECENT,
        "role_taken",
        body="RoleCreate",
        headers=frozenset({"Location"}),
    ),
    ("PATCH", "/admin/roles/{name}"): admin(
        200, "Role", *RECENT, "role_not_found", body="RoleUpdate"
    ),
    ("DELETE", "/admin/roles/{name}"): admin(
        204, None, *RECENT, "role_not_found", "role_in_use", *PARAMETERS
    ),
    ("GET", "/admin/users/{id}/roles"): admin(200, "[GivenRole]", NO_USER, *PARAMETERS),
    ("POST", "/admin/users/{id}/roles"): admin(
        201, "GivenRole", *RECENT, NO_USER, "unknown_role", UNPROVEN, body="RoleGive"
    ),
    ("PATCH", "/admin/users/{id}/roles/{name}"): admin(
        200, "GivenRole", *RECENT, NO_USER, "role_not_found", UNPROVEN, body="RoleEnd"
    ),
    ("DELETE", "/admin/users/{id}/roles/{name}"): admin(
        204, None, *RECENT, NO_USER, "role_not_found", *PARAMETERS
    ),
    ("GET", "/admin/users/{id}/why"): admin(
        200, "Why", NO_USER, *PARAMETERS, query=frozenset({"permission"})
    ),
    ("GET", "/admin/resources"): admin(200, "[Resource]"),
    ("POST", "/admin/resources"): admin(
        201,
        "Resource",
        *RECENT,
        "resource_taken",
        body="ResourceCreate",
        headers=frozenset({"Location"}),
    ),
    ("GET", "/admin/resources/{id}"): admin(200, "Resource", "not_found", *PARAMETERS),
    ("PATCH", "/admin/resources/{id}"): admin(
        200, "Resource", *RECENT, "not_found", body="ResourceUpdate"
    ),
    ("DELETE", "/admin/resources/{id}"): admin(
        204, None, *RECENT, "not_found", "resource_in_use", *PARAMETERS
    ),
    # 6. Account life-cycle: links
    ("POST", "/verify-email/request"): link(202, body="Address"),
    ("POST", "/verify-email/confirm"): proof(
        "Proven",
        "invalid_link",
        "invalid_credentials",
        "mfa_required",
        "account_blocked",
        "password_change_required",
        "too_many_attempts",
        "overloaded",
        body="LinkAndPerhapsPassword",
    ),
    ("POST", "/recover/request"): link(202, body="Address"),
    ("POST", "/recover/confirm"): link(
        204, "invalid_link", "weak_password", "overloaded", body="LinkAndPassword"
    ),
    # 6. Account life-cycle: one's own account
    ("PATCH", "/me"): user(200, "OwnUser", *BODY, body="Profile"),
    ("POST", "/me/password"): user(
        200,
        "Tokens",
        *RECENT,
        "invalid_credentials",
        "no_password",
        "weak_password",
        "too_many_attempts",
        "overloaded",
        *BODY,
        body="PasswordChange",
    ),
    ("POST", "/me/email"): user(202, None, *RECENT, *BODY, body="Address"),
    ("POST", "/me/email/confirm"): user(
        204, None, *RECENT, "invalid_link", "email_taken", *BODY, body="Link"
    ),
    ("GET", "/me/export"): user(
        200, "Export", "unavailable", *RECENT, headers=frozenset({"Content-Disposition"})
    ),
    ("DELETE", "/me"): user(202, "ErasurePlanned", *RECENT, "last_admin"),
    ("POST", "/me/keep"): user(204, None, *RECENT),
    # 7. Factors: passkeys
    ("POST", "/login/passkey/options"): Call(200, "Ceremony", frozenset({*ANY, *AWAY, *COUNTED})),
    ("POST", "/login/passkey/verify"): public(
        200,
        "Tokens",
        "invalid_factor",
        "account_blocked",
        "password_change_required",
        body="PasskeyProof",
    ),
    ("POST", "/me/factors/passkeys/options"): anybody(200, "Ceremony", UNPROVEN, *RECENT),
    ("POST", "/me/factors/passkeys"): anybody(
        201,
        "NewPasskey",
        *RECENT,
        "invalid_passkey",
        "passkey_taken",
        "too_many_factors",
        UNPROVEN,
        *BODY,
        body="NewPasskey",
    ),
    # 7. Factors: the second step, one's own factors, proving oneself once more
    ("POST", "/login/mfa"): public(
        200,
        "Tokens",
        "invalid_factor",
        "account_blocked",
        "password_change_required",
        "too_many_attempts",
        body="FactorShow",
    ),
    ("POST", "/login/mfa/options"): link(200, "invalid_factor", body="Pending"),
    ("GET", "/me/factors"): anybody(200, "Factors"),
    ("POST", "/me/factors/totp"): anybody(
        201, "BegunTotp", "too_many_factors", UNPROVEN, *RECENT, *BODY, body="FactorName"
    ),
    ("POST", "/me/factors/totp/{id}/confirm"): anybody(
        200,
        "RecoveryCodes",
        "factor_not_found",
        "invalid_factor",
        "too_many_factors",
        "too_many_attempts",
        UNPROVEN,
        *RECENT,
        *BODY,
        body="Code",
    ),
    ("PATCH", "/me/factors/{id}"): user(
        200, "Factor", "factor_not_found", *RECENT, *BODY, body="FactorName"
    ),
    ("DELETE", "/me/factors/{id}"): user(
        204, None, "factor_not_found", "last_factor", *RECENT, *PARAMETERS
    ),
    ("POST", "/me/factors/recovery-codes"): user(
        200, "RecoveryCodes", "no_factor", UNPROVEN, *RECENT
    ),
    ("POST", "/me/reauthenticate"): anybody(
        200,
        "Tokens",
        "invalid_credentials",
        "invalid_factor",
        "too_many_attempts",
        "overloaded",
        *RECENT,
        *BODY,
        body="Proof",
    ),
    ("POST", "/admin/users/{id}/factors/reset"): admin(
        204, None, NO_USER, "last_factor", *RECENT, *PARAMETERS, programs=False
    ),
    ("POST", "/admin/users/{id}/invite"): admin(
        202, None, NO_USER, "user_blocked", *RECENT, *PARAMETERS
    ),
    ("POST", "/admin/users/{id}/recover"): admin(
        202, None, NO_USER, "user_blocked", *RECENT, *PARAMETERS
    ),
    # 8. Other services: what clients call
    ("POST", "/oauth2/token"): oauth(
        "AccessToken",
        "unsupported_grant_type",
        "unauthorized_client",
        "invalid_grant",
        "invalid_scope",
        "invalid_target",
        "authorization_pending",
        "slow_down",
        "access_denied",
        "expired_token",
        *PROVEN,
        form="TokenForm",
    ),
    ("POST", "/oauth2/par"): oauth(
        "Pushed",
        "unauthorized_client",
        "unsupported_response_type",
        "invalid_request_object",
        "invalid_scope",
        "invalid_target",
        *PROVEN,
        "unavailable",
        form="PushForm",
        status=201,
    ),
    ("POST", "/oauth2/introspect"): oauth("Introspected", form="ShownForm"),
    ("POST", "/oauth2/revoke"): oauth(None, "unauthorized_client", form="ShownForm"),
    # 10. The provider
    ("POST", "/oauth2/device"): oauth(
        "DeviceCodes",
        *("unauthorized_client", "invalid_scope", "invalid_target", "unavailable"),
        form="DeviceForm",
    ),
    ("POST", "/oauth2/register"): public(
        201,
        "RegisteredClient",
        "invalid_redirect_uri",
        "invalid_client_metadata",
        "invalid_token",
        "not_found",
        body="ClientMetadata",
    ),
    ("GET", "/oauth2/userinfo"): userinfo(),
    ("POST", "/oauth2/userinfo"): userinfo(*BODY_OF_FORM, body="UserInfoForm"),
    # 5. Service
    ("GET", "/"): service("Welcome"),
    ("GET", "/.well-known/jwks.json"): service(None),
    ("GET", "/.well-known/oauth-authorization-server"): service(None),
    ("GET", "/.well-known/oauth-protected-resource"): service(None),
    ("GET", "/.well-known/openid-configuration"): service(None),
    ("GET", "/.well-known/webauthn"): Call(
        200, "RelatedOrigins", frozenset({*ANY, "unavailable", "not_found"})
    ),
    ("GET", "/health/live"): service("Liveness"),
    ("GET", "/health/ready"): Call(200, "Readiness", frozenset(ANY)),  # 503 is an answer of its own
}

CLIENT_FORM = {"client_id", "client_secret", "client_assertion", "client_assertion_type"}

# Fields of what is sent: those that must be there, and the others.
# Of a client by which people sign in, and of any.
OF_APPS = (
    *("redirect_uris", "first_party", "require_pkce", "id_token_alg"),
    *("post_logout_redirect_uris", "backchannel_logout_uri"),
    "backchannel_logout_session_required",
    *("require_par", "require_signed_request", "rotate_refresh", "dpop_bound", "profile"),
)

BODIES = {
    "BulkChange": ({"action"}, {"ids", "filters", "count", "role"}),
    "BulkUndo": ({"event_ids"}, set()),
    "Register": ({"email", "password"}, {"name"}),
    "Login": ({"email", "password"}, set()),
    "Address": ({"email"}, set()),
    "Link": ({"token"}, set()),
    "LinkAndPassword": ({"token", "password"}, set()),
    "LinkAndPerhapsPassword": ({"token"}, {"password"}),
    "PasskeyProof": ({"challenge_id", "credential"}, set()),
    "NewPasskey": ({"challenge_id", "name", "credential"}, set()),
    "FactorShow": ({"mfa_token"}, {"code", "recovery_code", "credential"}),  # one of the three
    "Pending": ({"mfa_token"}, set()),
    "FactorName": ({"name"}, set()),
    "Code": ({"code"}, set()),
    "Proof": (set(), {"password", "code", "credential", "challenge_id"}),  # one of the first three
    "Profile": (set(), {"name", "locale", "timezone"}),
    "PasswordChange": ({"current_password", "password"}, set()),
    "Refresh": (set(), {"token", "refresh_token"}),  # exactly one of both
    "Logout": (set(), {"token"}),
    "UserCreate": ({"email"}, {"password", "role", "status", "name", "must_change_password"}),
    "UserInfoForm": (set(), {"access_token"}),
    "PushForm": (
        set(),
        {
            *CLIENT_FORM,
            *(
                "request",
                "response_type",
                "redirect_uri",
                "scope",
                "state",
                "resource",
                "code_challenge",
            ),
            *("code_challenge_method", "nonce", "response_mode", "prompt", "max_age"),
            *("acr_values", "claims", "login_hint", "id_token_hint", "ui_locales"),
            "dpop_jkt",
        },
    ),
    "ClientMetadata": (
        {"redirect_uris"},
        {
            *("client_name", "application_type", "token_endpoint_auth_method", "grant_types"),
            *("response_types", "scope", "jwks", "jwks_uri", "id_token_signed_response_alg"),
            "dpop_bound_access_tokens",
        },
    ),
    "ShownForm": ({"token"}, {*CLIENT_FORM, "token_type_hint"}),
    "TokenForm": (
        {"grant_type"},
        {
            *CLIENT_FORM,
            *("scope", "resource", "audience"),
            *("subject_token", "subject_token_type", "requested_token_type"),
            *("code", "redirect_uri", "code_verifier", "refresh_token", "device_code"),
        },
    ),
    "DeviceForm": (set(), {*CLIENT_FORM, "scope", "resource", "nonce"}),
    "UserChange": (set(), {"role", "status", "name", "email"}),
    "ClientCreate": (
        {"name"},
        {
            *("kind", "grants", "scope", "resources", "auth_method", "jwks", "jwks_uri"),
            *("access_token_ttl", *OF_APPS),
        },
    ),
    "ClientUpdate": (
        set(),
        {
            *("name", "grants", "scope", "resources", "auth_method", "jwks", "jwks_uri"),
            *("access_token_ttl", "disabled", *OF_APPS),
        },
    ),
    "SecretCreate": (set(), {"expires_at"}),
    "KeyCreate": ({"name", "scope"}, {"expires_at"}),
    "KeyRename": ({"name"}, set()),
    "RoleCreate": ({"name", "permissions"}, set()),
    "RoleUpdate": ({"permissions"}, set()),
    "RoleGive": ({"role"}, {"expires_at"}),
    "RoleEnd": ({"expires_at"}, set()),
    "ResourceCreate": ({"identifier", "name"}, {"scopes", "access_token_ttl"}),
    "ResourceUpdate": (set(), {"name", "scopes", "access_token_ttl"}),
}
USER_FIELDS = {
    "id",
    "email",
    "email_verified",
    "locale",
    "timezone",
    "name",
    "role",
    "status",
    "created_at",
    "last_active_at",
    "online",
    "total_active_time",
}
DEVICE = {"ip_address", "device_type", "browser", "os", "platform"}
ANSWERS = {
    "Pushed": {"request_uri", "expires_in"},
    "Introspected": {
        *("active", "scope", "client_id", "token_type", "sub", "aud", "iss", "exp", "iat", "jti"),
        *("sid", "auth_time", "acr", "amr", "roles", "cnf", "act"),
    },
    "UserInfo": {
        *("sub", "preferred_username", "name", "locale", "zoneinfo", "email", "email_verified"),
        "groups",
    },
    "DeviceCodes": {
        *("device_code", "user_code", "verification_uri", "verification_uri_complete"),
        *("expires_in", "interval", "qr_svg"),
    },
    "AccessToken": {
        *("access_token", "token_type", "expires_in", "scope", "issued_token_type"),
        *("refresh_token", "id_token"),
    },
    "Export": {
        "exported_at",
        "account",
        "factors",
        "recovery_codes_left",
        "links",
        "pending_sign_ins",
        "queued",
        "sessions",
        "logins",
        "audit",
        "roles",
        "api_keys",
        "consents",
    },
    "ErasurePlanned": {"erase_at"},
    "Tokens": {"access_token", "refresh_token", "token_type", "expires_in", "session_id"},
    # The first five after a password, the last after a link alone.
    "Proven": {
        *("access_token", "refresh_token", "token_type", "expires_in", "session_id"),
        "token",
    },
    "User": USER_FIELDS,
    "OwnUser": USER_FIELDS | {"erase_at"},
    "UserWithSessions": USER_FIELDS | {"login_sessions"},
    "Session": {"id", "kind", "login_at", "last_activity_at", "expires_at", "current", *DEVICE},
    "Grant": {
        *("client_id", "name", "scope", "audience", "given_at", "grants", "last_used_at"),
        "offline_access",
    },
    "Login": {"id", "at", "outcome", "reason", "user_id", "email", "name", "session_id", *DEVICE},
    "Audit": {
        "id",
        "position",
        "at",
        "action",
        "actor_id",
        "actor",
        "target_id",
        "target",
        "old_values",
        "new_values",
        "ip_address",
    },
    "Service": {
        *("at", "version", "schema_revision", "schema_state", "database", "workers", "feed_live"),
        *("outbox", "audit_chain", "live_sessions", "needs"),
    },
    "Finding": {"part", "well", "says"},
    "MailTest": {"well", "says"},
    "Setting": {"name", "variable", "value", "default", "is_secret", "is_set"},
    "SigningKey": {
        *("kid", "algorithm", "signs", "state", "created_at", "signs_from", "retires_at"),
        "dropped_at",
    },
    "Job": {
        *("id", "what", "to", "state", "attempts", "created_at", "due_at", "failed_at"),
        *("expires_at", "last_error"),
    },
    "Statistics": {"by", "zone", "as_of", "periods", "devices", "browsers", "present"},
    "Client": {
        *("id", "name", "kind", "grants", "scope", "resources", "auth_method", "jwks", "jwks_uri"),
        *("access_token_ttl", "disabled", "created_at", "updated_at", *OF_APPS),
        *("registered_by", "document", "kept_until"),
    },
    "RegisteredClient": {
        *("client_id", "client_id_issued_at", "client_secret", "client_secret_expires_at"),
        *("redirect_uris", "client_name", "application_type", "token_endpoint_auth_method"),
        *("grant_types", "response_types", "scope", "jwks", "jwks_uri"),
        *("id_token_signed_response_alg", "dpop_bound_access_tokens"),
    },
    "Key": {"id", "name", "scope", "created_at", "expires_at", "last_used_at"},
    "NewKey": {"id", "name", "scope", "created_at", "expires_at", "last_used_at", "api_key"},
    "Role": {"name", "permissions", "built_in"},
    "GivenRole": {"role", "given_at", "given_by", "expires_at"},
    "Why": {"permission", "held", "status", "roles"},
    "Secret": {"id", "created_at", "expires_at", "last_used_at"},
    "NewSecret": {"id", "created_at", "expires_at", "last_used_at", "client_secret"},
    "Resource": {
        *("id", "identifier", "name", "scopes", "access_token_ttl", "created_at", "updated_at"),
    },
    "Factor": {"id", "type", "name", "created_at", "last_used_at"},
    "Factors": {"factors", "recovery_codes_left"},
    "BegunTotp": {"id", "secret", "uri", "qr_svg"},
    "RecoveryCodes": {"recovery_codes"},
    "Ceremony": {"challenge_id", "options"},
    "NewPasskey": {"id", "type", "name", "created_at", "last_used_at", "recovery_codes"},
    "Welcome": {"name", "version", "docs", "openapi", "jwks"},
    "RelatedOrigins": {"origins"},
    "Liveness": {"status"},
    "Readiness": {"status", "checks"},
}
WORDS = {
    "role": ["user", "moderator", "admin"],
    "status": ["active", "blocked"],
    "device_type": ["mobile", "tablet", "desktop", "bot", "unknown"],
    "sort": ["created_at", "-created_at", "last_active_at", "-last_active_at", "email", "-email"],
    "token_type": ["bearer"],
}
ALWAYS = {"X-Request-ID"}
RATE = {"RateLimit", "RateLimit-Policy"}
