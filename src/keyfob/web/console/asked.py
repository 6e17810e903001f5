"""The part of the list of users that a query asks for, and links to other parts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError

from keyfob.administration.models import Sort, UserFilter
from keyfob.core.problems import InvalidInput

PATH = "/console/users"
FILTERS = ("search", "role", "status", "factor", "verified")
SIZES = (25, 50, 100)
# `done` says what was just done, to `who`, and how to `undo` it; `lang` chooses a language, and
# `height` that of the rows.
_KNOWN = {*FILTERS, "sort", "size", "after", "before", "done", "who", "undo", "lang", "height"}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The filters that are set, as in the query and as understood; the order; the page.

    `after` and `before` are cursors; at most one of them is not empty.
    """

    filters: Mapping[str, str]
    wanted: UserFilter
    sort: Sort = Sort.CREATED_DESC
    size: int = SIZES[0]
    after: str = ""
    before: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Asked":
        """Read a query; empty values are as good as absent ones.

        Raises:
            InvalidInput: there is no such filter, order or size.
        """
        given = {name: value for name, value in query.items() if value}
        if unknown := given.keys() - _KNOWN:
            raise InvalidInput(
                [{"pointer": f"/query/{name}", "detail": "unknown"} for name in sorted(unknown)]
            )
        filters = {name: given[name] for name in FILTERS if name in given}
        try:
            return cls(
                filters=filters,
                wanted=UserFilter.model_validate(filters),
                sort=Sort(given.get("sort", Sort.CREATED_DESC)),
                size=_size(given.get("size", str(SIZES[0]))),
                after=given.get("after", ""),
                before="" if given.get("after") else given.get("before", ""),
            )
        except ValidationError as wrong:
            names = sorted({str(error["loc"][0]) for error in wrong.errors()})
            raise InvalidInput(
                [{"pointer": f"/query/{name}", "detail": "invalid"} for name in names]
            ) from None
        except ValueError:
            raise _wrong({"sort", "size"}, "one of them is invalid") from None

    @property
    def kept(self) -> dict[str, str]:
        """The fields of a form that keeps all but the page."""
        kept = dict(self.filters)
        if self.sort is not Sort.CREATED_DESC:
            kept["sort"] = self.sort.value
        if self.size != SIZES[0]:
            kept["size"] = str(self.size)
        return kept

    def link(self, root: str, **changes: Any) -> str:
        """Return a link to the list as it is, but for some changes; None takes one away.

        It leads to the first page, unless `after` or `before` is among the changes.
        """
        query = {name: value for name, value in {**self.kept, **changes}.items() if value}
        return f"{root}{PATH}" + (f"?{urlencode(query)}" if query else "")

    def link_here(self, root: str) -> str:
        """Return a link to this very page."""
        return f"{root}{PATH}" + (f"?{self.here}" if self.here else "")

    @property
    def here(self) -> str:
        """The query of this very page."""
        return urlencode(self.here_by_name)

    @property
    def here_by_name(self) -> dict[str, str]:
        """The parameters of that query."""
        return self.kept | _set(after=self.after, before=self.before)


def _wrong(names: Iterable[str], detail: str) -> InvalidInput:
    return InvalidInput([{"pointer": f"/query/{name}", "detail": detail} for name in sorted(names)])


def _size(text: str) -> int:
    if text not in map(str, SIZES):
        raise ValueError("no such size")
    return int(text)


def _set(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
