"""The names of roles and permissions, as somebody may choose them."""

from typing import Annotated

from pydantic import Field, StringConstraints

RoleName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$"), Field(examples=["support"])
]

# A permission at our own API, or a scope of another: of what RFC 6749 appendix A.4 allows, what can
# be told apart by eye.
PermissionName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_.:/-]{0,63}$"), Field(examples=["orders:read"])
]
