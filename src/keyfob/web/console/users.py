"""The console's list of users: search, filters, order, pages."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from fastapi import Depends
from starlette.responses import Response

from keyfob.administration.models import ListedUser, Sort, UserPage
from keyfob.administration.service import Administration
from keyfob.authority.models import Permission, User
from keyfob.authority.requiring import require
from keyfob.core.http import Provided
from keyfob.core.locales import _, ngettext
from keyfob.core.pagination import Cursors
from keyfob.limits.requests import limited
from keyfob.web.console.asked import PATH, SIZES, Asked
from keyfob.web.console.reading import id_in, size_of
from keyfob.web.console.undo import Undos
from keyfob.web.parts.times import number
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

Reader = Annotated[User, require(Permission.USERS_READ)]
_LIMITED = [Depends(limited("admin", by="caller"))]

# The orders that the head of the table offers, by column: up and down.
_ORDERS = {
    "email": (Sort.EMAIL, Sort.EMAIL_DESC),
    "created": (Sort.CREATED, Sort.CREATED_DESC),
    "active": (Sort.ACTIVE, Sort.ACTIVE_DESC),
}


@dataclass(frozen=True, kw_only=True)
class UsersPage:
    """A page of the list. `previous` and `next` are cursors, empty if there is no such page."""

    template: ClassVar[str] = "console/users.html"

    root: str
    asked: Asked
    found: UserPage
    rows: list[ListedUser]
    previous: str
    next: str

    @property
    def path(self) -> str:
        return f"{self.root}{PATH}"

    @property
    def sizes(self) -> list[tuple[int, str]]:
        # Each by its number, also the usual one: without a number it is the one chosen last.
        return [(size, self.asked.link(self.root, size=str(size))) for size in SIZES]

    @property
    def previous_link(self) -> str:
        return self.asked.link(self.root, before=self.previous) if self.previous else ""

    @property
    def next_link(self) -> str:
        return self.asked.link(self.root, after=self.next) if self.next else ""

    @property
    def amount(self) -> str:
        """The number that match, such as "1,204" or "10,000+"."""
        return f"{number(self.found.total)}+" if self.found.is_capped else number(self.found.total)

    @property
    def count(self) -> str:
        """The same as a sentence."""
        words = ngettext("%(amount)s person", "%(amount)s people", self.found.total)
        return words % {"amount": self.amount}

    @property
    def sort_links(self) -> dict[str, str]:
        """For each column, the link that sorts by it, or turns the order around."""
        return {
            column: self.asked.link(self.root, sort=(down if self.asked.sort is up else up).value)
            for column, (up, down) in _ORDERS.items()
        }

    @property
    def orders(self) -> dict[str, str | None]:
        """For each column, the order by it now."""
        return {
            column: {up: "ascending", down: "descending"}.get(self.asked.sort)
            for column, (up, down) in _ORDERS.items()
        }

    @property
    def without(self) -> dict[str, str]:
        """For each filter that is set, the link that takes it away."""
        return {name: self.asked.link(self.root, **{name: ""}) for name in self.asked.filters}

    @property
    def kept_but(self) -> dict[str, list[tuple[str, str]]]:
        """For each filter, the others that its form keeps."""
        names = ("search", "role", "status", "factor", "verified")
        return {
            name: [(key, value) for key, value in self.asked.kept.items() if key != name]
            for name in names
        }


@dataclass(frozen=True, kw_only=True)
class UserList:
    """Reads a page of the list."""

    administration: Administration
    cursors: Cursors
    undos: Undos

    async def show(self, visit: Visit, caller: User) -> Response:
        """Return the page that the query asks for.

        Raises:
            InvalidInput, InvalidCursor: there is no such page.
        """
        query = visit.request.query_params
        asked = replace(Asked.read(query), size=size_of(visit))
        kind = f"users {asked.sort.value}"
        after = self.cursors.read(kind, asked.after) if asked.after else None
        before = self.cursors.read(kind, asked.before) if asked.before else None
        found = await self.administration.list_page(
            asked.wanted, sort=asked.sort, after=after, before=before, limit=asked.size + 1
        )
        rows, more = _cut(found.rows, asked.size, from_end=before is not None)
        has_previous = after is not None or (before is not None and more)
        has_next = before is not None or more
        page = UsersPage(
            root=visit.engine.root,
            asked=asked,
            found=found,
            rows=rows,
            previous=self._cursor(kind, rows[0]) if has_previous and rows else "",
            next=self._cursor(kind, rows[-1]) if has_next and rows else "",
        )
        is_removed = query.get("done") == "removed"
        done = _("The user is removed.") if is_removed else await self.undos.words(visit)
        undo = await self.undos.offer(visit, caller, id_in(visit, "who"), asked.here)
        return await visit.show(page, toast=done, undo=undo)

    def _cursor(self, kind: str, row: ListedUser) -> str:
        return self.cursors.write(kind, [row.place, str(row.profile.id)])


TheList = Annotated[UserList, Provided(UserList)]


@routes.get("/console/users", dependencies=_LIMITED)
async def show_users(visit: AVisit, caller: Reader, users: TheList) -> Response:
    """Show a page of the list."""
    return await users.show(visit, caller)


def _cut(rows: list[ListedUser], size: int, *, from_end: bool) -> tuple[list[ListedUser], bool]:
    """Return at most `size` of the rows, and whether there are more beyond."""
    more = len(rows) > size
    return (rows[-size:] if from_end else rows[:size]), more
