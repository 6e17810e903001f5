"""The progress of a change of `KEYFOB_SECRET_KEY`, for `keyfob doctor`."""

from collections import Counter
from collections.abc import Mapping, Sequence

from keyfob.audit.service import Audit
from keyfob.mfa.service import Factors
from keyfob.outbox.service import Outbox
from keyfob.tokens.keyring import Keyring
from keyfob.wiring import Wiring

# By the place of the key in the keyring, 0 for the first; None for unknown keys.
Amounts = Counter[int | None]


_MOST_NAMED = 20


async def tell_secret_keys(wiring: Wiring, amount: int) -> tuple[bool, str]:
    """Return for each key what it still encrypts, and what to do next.

    Args:
        wiring: the services.
        amount: the number of keys in the keyring.

    Returns:
        Whether everything needed can be decrypted, dead letters aside; and the text.
    """
    audit: Audit = wiring.services[Audit]
    factors: Factors = wiring.services[Factors]
    outbox: Outbox = wiring.services[Outbox]
    sealed = {
        "signing keys": await wiring.services[Keyring].count_sealed(),
        "authenticators": await factors.count_sealed(),
        "mails": await outbox.count_sealed(),
    }
    signed = await audit.count_signed()
    told = ["the first seals" if amount > 1 else "there is one"]
    told += [_tell(place, sealed, signed) for place in range(1, amount)]
    lost = _of(None, sealed)
    if lost:
        owners = await factors.list_owners_without_key(_MOST_NAMED)
        told.append(
            f"{lost} are sealed by a key that is not in the list: put it back behind the "
            f"comma{_advise(owners)}"
        )
    waiting = await outbox.count_sealed(waiting_only=True)
    is_needed = sealed["signing keys"][None] or sealed["authenticators"][None] or waiting[None]
    return not is_needed, "; ".join(told)


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
