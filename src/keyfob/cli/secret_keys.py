"""The progress of a change of `KEYFOB_SECRET_KEY`, for `keyfob doctor`."""

from collections import Counter
from collections.abc import Mapping, Sequence

from keyfob.api_keys.service import ApiKeys
from keyfob.audit.service import Audit
from keyfob.clients.service import Clients
from keyfob.mfa.service import Factors
from keyfob.outbox.service import Outbox
from keyfob.tokens.keyring import Keyring
from keyfob.wiring import Wiring

# By the place of the key in the keyring, 0 for the first; None for unknown keys.
Amounts = Counter[int | None]


_MOST_NAMED = 20


async def tell_secret_keys(wiring: Wiring, amount: int) -> tuple[bool, str]:
    """Return for each key what it still encrypts, or recognises, and what to do next.

    Args:
        wiring: the services.
        amount: the number of keys in the keyring.

    Returns:
        Whether everything needed can be decrypted, dead letters aside, and all secrets of programs
        recognised; and the text.
    """
    audit: Audit = wiring.services[Audit]
    factors: Factors = wiring.services[Factors]
    outbox: Outbox = wiring.services[Outbox]
    sealed = {
        "signing keys": await wiring.services[Keyring].count_sealed(),
        "authenticators": await factors.count_sealed(),
        "mails": await outbox.count_sealed(),
    }
    digests = await _count_digests(wiring)
    owners = await _name_owners(wiring)
    signed = await audit.count_signed()
    told = ["the first seals" if amount > 1 else "there is one"]
    for place in range(1, amount):
        told.append(_tell(place, sealed, signed))
        if resting := _of(place, digests):
            told.append(
                f"until their next use, {resting} rest on key {place + 1}, and are refused if it "
                f"is dropped before ({owners})"
            )
    lost = _of(None, sealed)
    if lost:
        unopened = await factors.list_owners_without_key(_MOST_NAMED)
        told.append(
            f"{lost} are sealed by a key that is not in the list: put it back behind the "
            f"comma{_advise(unopened)}"
        )
    if refused := _of(None, digests):
        told.append(
            f"{refused} are refused, for their key is not in the list: put it back behind the "
            f"comma, or replace them ({owners})"
        )
    waiting = await outbox.count_sealed(waiting_only=True)
    is_needed = sealed["signing keys"][None] or sealed["authenticators"][None] or waiting[None]
    return not (is_needed or refused), "; ".join(told)


async def _count_digests(wiring: Wiring) -> dict[str, Amounts]:
    return {
        "API keys": await wiring.services[ApiKeys].count_by_place(),
        "client secrets": await wiring.services[Clients].count_by_place(),
    }


async def _name_owners(wiring: Wiring) -> str:
    """Name users and clients with a secret that the first key has not seen."""
    users = await wiring.services[ApiKeys].list_owners_of_old(_MOST_NAMED)
    named = [*users, *await wiring.services[Clients].list_names_of_old(_MOST_NAMED)]
    return ", ".join([*named[:_MOST_NAMED], *(["..."] if len(named) >= _MOST_NAMED else [])])


def _advise(owners: Sequence[str]) -> str:
    if not owners:
        return ""
    more = ", ..." if len(owners) == _MOST_NAMED else ""
    return f", or reset the factors of {', '.join(owners)}{more}"


def _tell(place: int, sealed: Mapping[str, Amounts], signed: Amounts) -> str:
    if still := _of(place, sealed):
        return (
            f"key {place + 1} still seals {still}: run `keyfob keys rotate --reseal` when every "
            "instance has this list; mails go by themselves"
        )
    if signed[place] == 0:
        return f"key {place + 1} has sealed nothing yet: put it first when every instance has it"
    return f"key {place + 1} seals nothing any more: it may be dropped as docs/runbook.md says"


def _of(place: int | None, sealed: Mapping[str, Amounts]) -> str:
    found = {kind: amounts[place] for kind, amounts in sealed.items() if amounts[place]}
    return ", ".join(f"{amount} {kind}" for kind, amount in found.items())
