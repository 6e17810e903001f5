"""The calls of administrators, written once for both clients.

Filters, and fields that change something, are those of the API, which OpenAPI describes.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from keyfob_client.api.flow import Flow
from keyfob_client.api.operations import Listing, listing, operation
from keyfob_client.api.own_account import OwnAccount
from keyfob_client.api.results import (
    AuditEvent,
    BulkReport,
    Client,
    GivenRole,
    Grant,
    LoginEvent,
    NewSecret,
    Resource,
    Role,
    Secret,
    Statistics,
    User,
    UserWithSessions,
    Why,
)
from keyfob_client.api.signing_in import Moment, at, given


class Users(OwnAccount):
    """The accounts of others, and the records of what happened."""

    @listing
    def users(self, /, **filters: Any) -> Listing[User]:
        """Yield users: `search`, `role`, `status`, `online`, `sort`, and `limit` for each page."""
        return Listing("/admin/users", filters)

    @operation
    def count_users(self, /, **filters: Any) -> Flow[int]:
        """Return how many users there are, by the same filters."""
        answer = yield from self.call("GET", "/admin/users", query={**filters, "limit": 1})
        return int(answer.headers["X-Total-Count"])

    @listing
    def all_logins(self, /, **filters: Any) -> Listing[LoginEvent]:
        """Yield all sign-ins, newest first: `outcome`, `ip_address`, `since`, `until`."""
        return Listing("/admin/logins", filters)

    @listing
    def logins_of(self, user_id: str, /, **filters: Any) -> Listing[LoginEvent]:
        """Yield the sign-ins of a user, likewise."""
        return Listing(at("/admin/users/{}/logins", user_id), filters)

    @listing
    def audit(self, /, **filters: Any) -> Listing[AuditEvent]:
        """Yield the audit log: `action`, `actor_id`, `target_id`, `since`, `until`."""
        return Listing("/admin/audit", filters)

    @operation
    def statistics(
        self,
        *,
        by: str = "day",
        since: Moment | None = None,
        until: Moment | None = None,
        zone: str | None = None,
    ) -> Flow[Statistics]:
        """Return figures about sign-ins and accounts.

        Args:
            by: day or hour.
            since: the begin, by default 30 days or 24 hours ago.
            until: the end, by default now.
            zone: the time zone of days, such as Europe/Berlin.
        """
        query = {"by": by, "since": since, "until": until, "zone": zone}
        answer = yield from self.call("GET", "/admin/statistics", query=query)
        found: Statistics = answer.json()
        return found

    @operation
    def user(self, user_id: str) -> Flow[UserWithSessions]:
        """Return a user, with live sessions."""
        return self.asks("GET", at("/admin/users/{}", user_id))

    @operation
    def create_user(self, /, email: str, password: str, **fields: Any) -> Flow[User]:
        """Create a user: `role`, `status`, `name`, `must_change_password`."""
        body = {"email": email, "password": password, **fields}
        return self.asks("POST", "/admin/users", body)

    @operation
    def change_user(self, user_id: str, /, **fields: Any) -> Flow[User]:
        """Change `role`, `status`, `name` or `email`; what is absent stays."""
        return self.asks("PATCH", at("/admin/users/{}", user_id), fields)

    @operation
    def change_users(self, action: str, /, **fields: Any) -> Flow[BulkReport]:
        """Change up to 10,000 users, each by itself, after a recent sign-in.

        Args:
            action: block, unblock, sign-out, set-role, invite or delete.
            fields: `ids`; or `filters`, as of `users`, with the `count` of users that one has seen;
                and the `role` of set-role.
        """
        return self._report("/admin/users/bulk", {"action": action, **fields})

    @operation
    def undo_changes(self, event_ids: Sequence[str]) -> Flow[BulkReport]:
        """Undo blocks, their ends and roles within ten minutes, by the events in their report."""
        return self._report("/admin/users/bulk/undo", {"event_ids": list(event_ids)})

    def _report(self, path: str, body: Mapping[str, Any]) -> Flow[BulkReport]:
        answer = yield from self.call("POST", path, body)
        *lines, ending = map(json.loads, answer.text.splitlines())
        report: BulkReport = {"code": None} | ending | {"lines": lines}
        return report

    @operation
    def delete_user(self, user_id: str) -> Flow[None]:
        """Delete a user, whose sessions end."""
        return self.asks("DELETE", at("/admin/users/{}", user_id))

    @operation
    def sign_user_out(self, user_id: str) -> Flow[None]:
        """End all sessions of a user."""
        return self.asks("DELETE", at("/admin/users/{}/logout-all", user_id))

    @operation
    def grants_of(self, user_id: str) -> Flow[list[Grant]]:
        """Return the apps that have access to a user's account, by name."""
        return self.asks("GET", at("/admin/users/{}/grants", user_id))

    @operation
    def take_grant_of(self, user_id: str, client_id: str) -> Flow[None]:
        """Take from one of them all that it has of the user."""
        return self.asks("DELETE", at("/admin/users/{}/grants/{}", user_id, client_id))

    @operation
    def invite(self, user_id: str) -> Flow[None]:
        """Send a user an invitation."""
        return self.asks("POST", at("/admin/users/{}/invite", user_id))

    @operation
    def send_recovery(self, user_id: str) -> Flow[None]:
        """Send a user a link by which a new password is chosen."""
        return self.asks("POST", at("/admin/users/{}/recover", user_id))

    @operation
    def reset_factors(self, user_id: str) -> Flow[None]:
        """Remove all factors of a user."""
        return self.asks("POST", at("/admin/users/{}/factors/reset", user_id))


class Roles(Users):
    """Further roles, and the users who have them."""

    @operation
    def roles(self) -> Flow[list[Role]]:
        """Return the roles, the built-in ones first."""
        return self.asks("GET", "/admin/roles")

    @operation
    def create_role(self, name: str, permissions: Sequence[str]) -> Flow[Role]:
        """Define a role."""
        body = {"name": name, "permissions": list(permissions)}
        return self.asks("POST", "/admin/roles", body)

    @operation
    def change_role(self, name: str, permissions: Sequence[str]) -> Flow[Role]:
        """Replace the permissions of a role."""
        body = {"permissions": list(permissions)}
        return self.asks("PATCH", at("/admin/roles/{}", name), body)

    @operation
    def delete_role(self, name: str) -> Flow[None]:
        """Delete a role that no user has."""
        return self.asks("DELETE", at("/admin/roles/{}", name))

    @operation
    def roles_of(self, user_id: str) -> Flow[list[GivenRole]]:
        """Return the further roles that a user has now."""
        return self.asks("GET", at("/admin/users/{}/roles", user_id))

    @operation
    def give_role(
        self, user_id: str, role: str, *, expires_at: Moment | None = None
    ) -> Flow[GivenRole]:
        """Give a user a role, for good or until a moment."""
        body = given(role=role, expires_at=expires_at)
        return self.asks("POST", at("/admin/users/{}/roles", user_id), body)

    @operation
    def end_role(self, user_id: str, role: str, expires_at: Moment | None) -> Flow[GivenRole]:
        """Set the moment at which a user's role ends; None: never."""
        path = at("/admin/users/{}/roles/{}", user_id, role)
        return self.asks("PATCH", path, {"expires_at": expires_at})

    @operation
    def take_role(self, user_id: str, role: str) -> Flow[None]:
        """Take a role away from a user, at once."""
        return self.asks("DELETE", at("/admin/users/{}/roles/{}", user_id, role))

    @operation
    def why(self, user_id: str, permission: str) -> Flow[Why]:
        """Return whether a user has a permission, and the roles that give it."""
        path = at("/admin/users/{}/why", user_id)
        answer = yield from self.call("GET", path, query={"permission": permission})
        found: Why = answer.json()
        return found


class Administration(Roles):
    """Programs, and the APIs that their tokens are for."""

    @listing
    def clients(self, /, **filters: Any) -> Listing[Client]:
        """Yield the registered programs; `limit` is that of a page."""
        return Listing("/admin/clients", filters)

    @operation
    def client(self, client_id: str) -> Flow[Client]:
        """Return a program."""
        return self.asks("GET", at("/admin/clients/{}", client_id))

    @operation
    def create_client(
        self,
        name: str,
        /,
        *,
        scope: Sequence[str] = (),
        resources: Sequence[str] = (),
        **fields: Any,
    ) -> Flow[Client]:
        """Register a program, whose secret is made by `add_secret`.

        Args:
            name: its name for people.
            scope: what its tokens may permit at most.
            resources: the identifiers of the APIs that they may be for.
            fields: `kind`, `grants`, `auth_method`, `jwks`, `jwks_uri`, `access_token_ttl`,
                `dpop_bound`, `profile`; of apps by which people sign in `redirect_uris`,
                `first_party`, `require_pkce`, `id_token_alg`, `post_logout_redirect_uris`,
                `backchannel_logout_uri`, `backchannel_logout_session_required`, `require_par`,
                `require_signed_request` and `rotate_refresh`.
        """
        body = {"name": name, "scope": list(scope), "resources": list(resources), **fields}
        return self.asks("POST", "/admin/clients", body)

    @operation
    def change_client(self, client_id: str, /, **fields: Any) -> Flow[Client]:
        """Change a program; what is absent stays. `disabled=True` ends its tokens."""
        return self.asks("PATCH", at("/admin/clients/{}", client_id), fields)

    @operation
    def delete_client(self, client_id: str) -> Flow[None]:
        """Delete a program, whose tokens end."""
        return self.asks("DELETE", at("/admin/clients/{}", client_id))

    @operation
    def secrets_of(self, client_id: str) -> Flow[list[Secret]]:
        """Return the secrets of a program, without their text."""
        return self.asks("GET", at("/admin/clients/{}/secrets", client_id))

    @operation
    def add_secret(self, client_id: str, *, expires_at: Moment | None = None) -> Flow[NewSecret]:
        """Make a secret; this answer alone has its text, as `client_secret`."""
        body = given(expires_at=expires_at)
        return self.asks("POST", at("/admin/clients/{}/secrets", client_id), body)

    @operation
    def remove_secret(self, client_id: str, secret_id: str) -> Flow[None]:
        """Remove a secret, which ends all tokens of the program."""
        return self.asks("DELETE", at("/admin/clients/{}/secrets/{}", client_id, secret_id))

    @operation
    def resources(self) -> Flow[list[Resource]]:
        """Return the APIs that tokens may be for."""
        return self.asks("GET", "/admin/resources")

    @operation
    def create_resource(
        self,
        identifier: str,
        name: str,
        *,
        scopes: Mapping[str, Mapping[str, str]],
        access_token_ttl: int | None = None,
    ) -> Flow[Resource]:
        """Register an API.

        Args:
            identifier: its address, which becomes `aud`, and stays.
            name: its name for people.
            scopes: each with a description by language, `{"orders:read": {"en": "Read orders"}}`.
            access_token_ttl: the seconds that its tokens live at most.
        """
        body = given(
            identifier=identifier, name=name, scopes=scopes, access_token_ttl=access_token_ttl
        )
        return self.asks("POST", "/admin/resources", body)

    @operation
    def change_resource(self, resource_id: str, /, **fields: Any) -> Flow[Resource]:
        """Change `name`, `scopes` or `access_token_ttl`; what is absent stays."""
        return self.asks("PATCH", at("/admin/resources/{}", resource_id), fields)

    @operation
    def delete_resource(self, resource_id: str) -> Flow[None]:
        """Delete an API that no program has."""
        return self.asks("DELETE", at("/admin/resources/{}", resource_id))
