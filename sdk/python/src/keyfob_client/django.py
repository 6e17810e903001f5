"""For Django, by WSGI or ASGI: a decorator of views that asks for a token.

keyfob = Keyfob(Verifier("https://auth.example.com/auth", audience="..."))

@keyfob.protected(role="clerk")
def list_orders(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"of": request.token.subject})

urlpatterns = [path("orders", list_orders), *keyfob.urls]
"""

import asyncio
from collections.abc import Callable, Collection
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Unpack

from django.http import HttpRequest, HttpResponse
from django.urls import path

from keyfob_client.answers import (
    Answer,
    Needs,
    Rights,
    answer_to,
    describe_resource,
    token_in,
)
from keyfob_client.errors import Refused
from keyfob_client.verifier import Verifier

View = Callable[..., Any]


class Keyfob:
    """Protects views, one by one, synchronous and asynchronous ones.

    Attributes:
        urls: the URL pattern of the metadata of this service (RFC 9728), which answers of 401 name.

    Args:
        verifier: judges the tokens.
        scopes: the scopes of this service, for its metadata.
        name: its name for people, likewise.
    """

    def __init__(
        self, verifier: Verifier, *, scopes: Collection[str] = (), name: str | None = None
    ) -> None:
        self._verifier = verifier
        self.urls: list[Any] = []
        described = describe_resource(verifier, scopes=scopes, name=name)
        if described is not None:
            place = described.path.removeprefix("/")
            self.urls.append(path(place, lambda _: _response(described.answer)))

    def protected(self, **rights: Unpack[Rights]) -> Callable[[View], View]:
        """Return a decorator that calls a view only with a token that has what is needed.

        The view finds the token as `request.token`, and may refuse by raising. Forms of other sites
        cannot send the header of a token, so the view needs no protection against them.

        Args:
            rights: what the caller needs beside a valid token.
        """
        needs = Needs.of(**rights)
        return lambda view: (
            self._asynchronous(view, needs)
            if iscoroutinefunction(view)
            else (self._synchronous(view, needs))
        )

    def _synchronous(self, view: View, needs: Needs) -> View:
        @wraps(view)
        def call(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                self._judge(request, needs)
                return view(request, *args, **kwargs)
            except Refused as refused:
                return _response(answer_to(refused, self._verifier))

        return _exempt(call)

    def _asynchronous(self, view: View, needs: Needs) -> View:
        @wraps(view)
        async def call(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                # In a thread, since a first token may have to wait for the issuer's keys.
                await asyncio.to_thread(self._judge, request, needs)
                return await view(request, *args, **kwargs)
            except Refused as refused:
                return _response(answer_to(refused, self._verifier))

        return _exempt(call)

    def _judge(self, request: Any, needs: Needs) -> None:
        given = request.headers.get("Authorization")
        text = token_in([] if given is None else [given], self._verifier)
        token = self._verifier.verify(text, request)
        needs.check(token, now=self._verifier.now())
        request.token = token


def _exempt(view: Any) -> View:
    view.csrf_exempt = True  # as django.views.decorators.csrf does
    return view  # type: ignore[no-any-return] # it is what was given


def _response(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)
