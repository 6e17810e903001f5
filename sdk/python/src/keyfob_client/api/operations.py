"""A method that is written once, and is synchronous in one client and asynchronous in the other."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from keyfob_client.api.flow import Flow

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list that is read page by page; T is the type of an item."""

    path: str
    query: Mapping[str, Any]


class Shell(Protocol):
    """Runs flows, and waits for them in the thread."""

    def run(self, flow: Flow[T], /) -> T:
        """Run one to its end."""

    def items(self, listing: Listing[T], /) -> Iterator[T]:
        """Yield what a list has."""


class AsyncShell(Protocol):
    """Runs flows, and waits for them in the event loop."""

    async def run(self, flow: Flow[T], /) -> T:
        """Run one to its end."""

    def items(self, listing: Listing[T], /) -> AsyncIterator[T]:
        """Yield what a list has."""


class operation(Generic[P, T]):  # noqa: N801 - a decorator
    """Makes a method of one that returns a flow."""

    def __init__(self, write: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self._write = write
        self.__doc__ = write.__doc__

    @overload
    def __get__(self, of: None, kind: Any) -> "operation[P, T]": ...
    @overload
    def __get__(self, of: Shell, kind: Any) -> Callable[P, T]: ...
    @overload
    def __get__(self, of: AsyncShell, kind: Any) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, of: Any, kind: Any) -> Any:
        """Return the method of a client."""
        if of is None:
            return self

        def run(*args: P.args, **given: P.kwargs) -> Any:
            return of.run(self._write(of, *args, **given))

        return update_wrapper(run, self._write)


class listing(Generic[P, T]):  # noqa: N801 - a decorator
    """Makes a method of one that returns a `Listing`; its items come as they are asked for."""

    def __init__(self, write: Callable[Concatenate[Any, P], Listing[T]]) -> None:
        self._write = write
        self.__doc__ = write.__doc__

    @overload
    def __get__(self, of: None, kind: Any) -> "listing[P, T]": ...
    @overload
    def __get__(self, of: Shell, kind: Any) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, of: AsyncShell, kind: Any) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, of: Any, kind: Any) -> Any:
        """Return the method of a client."""
        if of is None:
            return self

        def items(*args: P.args, **given: P.kwargs) -> Any:
            return of.items(self._write(of, *args, **given))

        return update_wrapper(items, self._write)
