"""How a room declares itself, and the services that its routes and other rooms ask for."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, get_type_hints

from keyfob.core.feed import Feed

T = TypeVar("T")


@dataclass(frozen=True)
class Chore:
    """Something to do again and again, `every` so many seconds, at the start too if `at_start`."""

    name: str
    every: float
    run: Callable[[], Awaitable[object]]
    at_start: bool = False


class Router(Protocol):
    """What holds routes: an `APIRouter`, which only the edge knows by its name."""

    routes: list[Any]


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a room brings. Its `room.py` has `build`, which says by its parameters what it needs.

    Args:
        services: what routes, the command line and later rooms may ask for, by its type.
        ports: the same, by the type of what another room declares (a Protocol).
        routes: its routes.
        jobs: who does which kind of job of the outbox.
        chores: what every worker does beside requests.
        listen: tells the feed what to hear and to read again.
        last: what is written at the stop, once the chores have ended.
        close: what is let go of after that.
    """

    services: Sequence[object] = ()
    ports: Mapping[Any, object] = field(default_factory=dict)
    routes: Sequence[Router] = ()
    jobs: Mapping[str, Callable[[Any], Awaitable[None]]] = field(default_factory=dict)
    chores: Sequence[Chore] = ()
    listen: Callable[[Feed], None] | None = None
    last: Callable[[], Awaitable[object]] | None = None
    close: Callable[[], Awaitable[object]] | None = None


class NotThere(LookupError):
    """Somebody asks for a service that no room brings, or two rooms bring the same."""


class Services:
    """The services by their types, each once."""

    def __init__(self, ground: Mapping[Any, object]) -> None:
        """Begin with what every room may ask for."""
        self._found: dict[Any, object] = dict(ground)

    def add(self, kind: Any, service: object) -> None:
        """Add a service.

        Raises:
            NotThere: there is one of that type already.
        """
        if kind in self._found:
            raise NotThere(f"two rooms bring {kind.__qualname__}")
        self._found[kind] = service

    def __contains__(self, kind: object) -> bool:
        return kind in self._found

    def __getitem__(self, kind: type[T]) -> T:
        """Return the service of a type.

        Raises:
            NotThere: no room brings one.
        """
        if kind not in self._found:
            raise NotThere(f"no room brings {kind.__qualname__}")
        found: T = self._found[kind]  # type: ignore[assignment] # by how `add` is called
        return found

    def build(self, build: Callable[..., Room]) -> Room:
        """Build a room of what its `build` asks for by the types of its parameters, and add to it.

        Raises:
            NotThere: no room before it brings what it asks for.
            WrongSetting: a value cannot be used.
        """
        hints = get_type_hints(build)
        room = build(**{name: self[hints[name]] for name in inspect.signature(build).parameters})
        for service in room.services:
            self.add(type(service), service)
        for kind, service in room.ports.items():
            self.add(kind, service)
        return room

    def see_to(self, dependant: Any) -> None:
        """See that what a route depends on is there: `dependant` is FastAPI's tree of it.

        Raises:
            NotThere: no room brings what it asks for by `Provided`.
        """
        for dependency in dependant.dependencies:
            kind = getattr(dependency.call, "provides", None)
            if kind is not None and kind not in self:
                raise NotThere(f"a route asks for {kind.__qualname__}, which no room brings")
            self.see_to(dependency)

    def replace(self, kind: type[T], service: T) -> None:
        """Give another service of a type that is there, for whoever asks after this."""
        self._found[kind] = service
