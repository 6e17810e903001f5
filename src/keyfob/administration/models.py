"""The filter and the order of the list of users, and the merging of two changes of a list."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import Field

from keyfob.accounts.models import Profile, Status
from keyfob.authority.models import Role
from keyfob.core.bodies import Body, Moment
from keyfob.core.pagination import Place
from keyfob.core.problems import Problem
from keyfob.core.text import NoControlCharacters

# Users that match a filter are counted up to this number.
MOST_COUNTED = 10_000


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


class Factor(StrEnum):
    """The second factors that a user may have."""

    NONE = "none"
    ANY = "any"
    TOTP = "totp"
    PASSKEY = "passkey"


class UserFilter(Body):
    """The users to list: those that every condition which is given holds for.

    `created_after` and `active_after` include their moment, and `created_before` does not.
    """

    search: Annotated[Search | None, Field(description="A part of the address or the name")] = None
    role: Role | None = None
    status: Status | None = None
    online: Annotated[
        bool | None, Field(description="Active within the last five minutes, or not")
    ] = None
    never_proven: Annotated[
        bool, Field(description="Only if nobody has ever proven the address")
    ] = False
    verified: Annotated[bool | None, Field(description="The address is verified, or is not")] = None
    factor: Annotated[
        Factor | None, Field(description="Has no second factor, any, or one of this type")
    ] = None
    created_after: Annotated[
        Moment | None, Field(description="Created at this moment or later")
    ] = None
    created_before: Annotated[Moment | None, Field(description="Created before this moment")] = None
    active_after: Annotated[
        Moment | None, Field(description="Last active at this moment or later")
    ] = None

    @property
    def is_tallied(self) -> bool:
        """Tell whether the number of users that match is known without counting."""
        return not self.model_dump(exclude={"role", "status"}, exclude_defaults=True)


@dataclass(frozen=True, kw_only=True)
class Part:
    """The part of a list to read: after a place in its order, or the last rows before one."""

    sort: Sort
    after: Place | None = None
    before: Place | None = None
    skip: int = 0
    limit: int

    @property
    def is_first(self) -> bool:
        """Tell whether it begins where the list does."""
        return self.after is None and self.before is None and self.skip == 0


class Action(StrEnum):
    """The changes that can be made to many accounts at once."""

    BLOCK = "block"
    UNBLOCK = "unblock"
    SIGN_OUT = "sign-out"
    SET_ROLE = "set-role"
    INVITE = "invite"
    DELETE = "delete"


class Consequences(NamedTuple):
    """The numbers of what ends with some users; `above_user` of them have more than that role."""

    users: int
    above_user: int
    sessions: int
    api_keys: int


class Person(NamedTuple):
    """A user's name, if there is one, and address."""

    name: str | None
    email: str


class Line(NamedTuple):
    """The outcome for one account of a bulk change; without a refusal it is done.

    `event_id` is that of the audit event, by which the change can be undone; None if the account
    was so already, or if it cannot be undone. `undoes` is the event that was to be undone; then
    `user_id` is None if there is none with that id.
    """

    user_id: UUID | None
    event_id: UUID | None = None
    refusal: Problem | None = None
    undoes: UUID | None = None


class Ending(NamedTuple):
    """The last line of a report; `left` accounts were not reached, for the reason `why`."""

    done: int
    refused: int
    left: int
    why: Problem | None


class ListedUser(NamedTuple):
    """A row of the list; `place` is the text of its sort key, for the cursor."""

    place: str
    profile: Profile
    has_factor: bool


class UserPage(NamedTuple):
    """Rows of the list, and the number of users that match.

    `is_capped`: more than `total` match, and nobody has counted how many.
    """

    rows: list[ListedUser]
    total: int
    is_capped: bool


def merged(now: Collection[str], seen: Collection[str], chosen: Collection[str]) -> tuple[str, ...]:
    """Return what a list becomes by the change of somebody who has seen it as `seen`.

    Threat: a form that was opened before gives back what a colleague has taken away meanwhile.
    """
    kept = [one for one in now if one in chosen or one not in seen]
    return (*kept, *(one for one in chosen if one not in seen and one not in kept))
