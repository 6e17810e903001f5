"""Views for whoever has signed in, and for administrators."""

import asyncio
from typing import Any

from django.conf import settings
from django.http import HttpResponse, JsonResponse

from keyfob_client import ClientSecret, Verifier
from keyfob_client.django import Keyfob

client = ClientSecret(settings.KEYFOB_CLIENT_ID, settings.KEYFOB_CLIENT_SECRET)
keyfob = Keyfob(Verifier(settings.KEYFOB_ISSUER, audience="keyfob", client=client))


@keyfob.protected()
def orders(request: Any) -> HttpResponse:
    """List the orders of the caller."""
    return JsonResponse({"of": request.token.subject, "orders": ["a loom"]})


@keyfob.protected()
async def offers(request: Any) -> HttpResponse:
    """Ask two suppliers at once."""
    prices = await asyncio.gather(*(ask(supplier) for supplier in ("Jacquard", "Falcon")))
    return JsonResponse({"for": request.token.subject, "offers": dict(prices)})


@keyfob.protected(role="admin", max_age=300)
def stock(request: Any) -> HttpResponse:
    """Show the stock to an administrator who has signed in within the last five minutes."""
    return JsonResponse({"looms": 7})


async def ask(supplier: str) -> tuple[str, int]:
    """Return the price of a loom, as if the supplier were asked over the network."""
    await asyncio.sleep(0.01)
    return supplier, 100 + len(supplier)
