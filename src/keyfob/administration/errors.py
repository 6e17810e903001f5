"""Refusals of the administration of accounts."""

from keyfob.core.problems import Problem


class UserBlocked(Problem):
    """The account is blocked, so a link could not be used."""

    status = 409
    code = "user_blocked"
    title = "The user is blocked; unblock the account first"


class CountDiffers(Problem):
    """A bulk change names a filter, and the number of users that its caller saw; `count` is now."""

    status = 409
    code = "count_differs"
    title = "Another number of users matches the filter by now"


class OwnAccount(Problem):
    """A bulk change never concerns the account of its caller."""

    status = 409
    code = "own_account"
    title = "This is your own account; change it by itself"


class NotAsLeft(Problem):
    """A change to be undone is not the caller's, is too old, or has been followed by another."""

    status = 409
    code = "not_as_left"
    title = "The account is not as this change left it"


class ClientNotFound(Problem):
    """No client has that id."""

    status = 404
    code = "client_not_found"
    title = "Client not found"


class SecretNotFound(Problem):
    """The client has no secret with that id."""

    status = 404
    code = "secret_not_found"
    title = "Secret not found"


class TooManySecrets(Problem):
    """The client has two secrets that have not ended: the one in use, and the one to come."""

    status = 409
    code = "too_many_secrets"
    title = "A client has at most two secrets; remove one first"


class UnknownResource(Problem):
    """A client is to have tokens for a resource that is not registered: one of `unknown`."""

    status = 409
    code = "unknown_resource"
    title = "One of the resources is not registered"


class ResourceTaken(Problem):
    """Another resource has that identifier, or it is `KEYFOB_ISSUER` or `KEYFOB_AUDIENCE`."""

    status = 409
    code = "resource_taken"
    title = "A resource with this identifier already exists"


class ResourceInUse(Problem):
    """The resource cannot be removed while clients have it; `client_ids` names some of them."""

    status = 409
    code = "resource_in_use"
    title = "Clients have this resource; take it away from them first"


class RoleNotFound(Problem):
    """No role has that name, or the user does not have it."""

    status = 404
    code = "role_not_found"
    title = "Role not found"


class UnknownRole(Problem):
    """A user is to get a role that is not defined."""

    status = 409
    code = "unknown_role"
    title = "There is no role with this name"


class RoleTaken(Problem):
    """Another role has that name, or it is one of user, moderator and admin."""

    status = 409
    code = "role_taken"
    title = "A role with this name already exists"


class RoleInUse(Problem):
    """The role cannot be removed while users have it; `user_ids` names some of them."""

    status = 409
    code = "role_in_use"
    title = "Users have this role; take it away from them first"
