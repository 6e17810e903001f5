"""The names of roles and permissions that administrators choose."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

RoleName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$"), Field(examples=["support"])
]

# A permission of our own API, or a scope of another: the characters of RFC 6749 appendix A.4 that
# people can tell apart.
PermissionName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_.:/-]{0,63}$"), Field(examples=["orders:read"])
]


def _once(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise ValueError("should name each once")
    return values


Permissions = Annotated[
    list[PermissionName],
    Field(
        max_length=100,
        description="Rights at Keyfob, and scopes of other APIs",
        examples=[["users:read", "logins:read"]],
    ),
    AfterValidator(_once),
]
