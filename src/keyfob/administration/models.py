"""The filter and the order of the list of users."""

from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import BaseModel, Field

from keyfob.accounts.models import Profile, Status
from keyfob.authority.models import Role
from keyfob.core.text import NoControlCharacters


class Sort(StrEnum):
    """Orders of the list of users; a leading minus reverses one."""

    CREATED = "created_at"
    CREATED_DESC = "-created_at"
    ACTIVE = "last_active_at"
    ACTIVE_DESC = "-last_active_at"
    EMAIL = "email"
    EMAIL_DESC = "-email"


# As long as the longest address (RFC 5321 section 4.5.3.1.3). Folding more costs milliseconds.
LONGEST_SEARCH = 254
Search = Annotated[str, Field(max_length=LONGEST_SEARCH), NoControlCharacters()]


class UserFilter(BaseModel):
    """The users to list."""

    search: Search | None = None
    role: Role | None = None
    status: Status | None = None
    online: bool | None = None
    never_proven: bool = False


class ListedUser(NamedTuple):
    """A row of the list; `place` is the text of its sort key, for the cursor."""

    place: str
    profile: Profile
