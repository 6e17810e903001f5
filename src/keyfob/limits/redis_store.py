"""Redis and Valkey as the store. Imported only if one is configured: it costs 6 MB."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

from keyfob.core.clock import Clock
from keyfob.core.problems import Unavailable
from keyfob.limits.models import Tally, Window
from keyfob.limits.store import Outcome

_REDIS_TIMEOUT = 1.0
_REDIS_CONNECTIONS = 32

# ARGV: now in ms, the number of needed keys (the others come after them), then amount and window in
# ms for each key. Returns: how many keys were counted, then count and end in ms for each.
_COUNT = """
local now, counted, answer = tonumber(ARGV[1]), #KEYS, {0}
local needed = tonumber(ARGV[2])
for i, key in ipairs(KEYS) do
  local row = redis.call('HMGET', key, 'count', 'ends')
  local count, ends = tonumber(row[1]) or 0, tonumber(row[2]) or 0
  if ends <= now then count, ends = 0, now + tonumber(ARGV[2 * i + 2]) end
  if count >= tonumber(ARGV[2 * i + 1]) then
    counted = math.min(counted, i <= needed and 0 or needed)
  end
  answer[2 * i], answer[2 * i + 1] = count, ends
end
answer[1] = counted
for i = 1, counted do
  local key, count, ends = KEYS[i], answer[2 * i] + 1, answer[2 * i + 1]
  answer[2 * i] = count
  redis.call('HSET', key, 'count', count, 'ends', string.format('%d', ends))
  redis.call('PEXPIRE', key, string.format('%d', ends - now))
end
return answer
"""

# ARGV: for each key the end of its window in ms, and 1 to empty it or 0 to subtract one.
_GIVE_BACK = """
for i, key in ipairs(KEYS) do
  local row = redis.call('HMGET', key, 'count', 'ends')
  if row[2] == ARGV[2 * i - 1] then
    local left = ARGV[2 * i] == '1' and 0 or math.max(tonumber(row[1]) - 1, 0)
    redis.call('HSET', key, 'count', left)
  end
end
"""


class RedisStore:
    """Counts in one Redis or Valkey server, by a script that the server runs atomically.

    All methods raise `Unavailable` if the server is down. Then limited requests are refused, since
    a throttle that an outage lifts is one that an attacker can lift. Every wait is limited to
    `timeout` seconds.

    Raises:
        ValueError: the URL is not one of redis://, rediss://, unix://, valkey:// or valkeys://, or
            has a parameter with an invalid value.
    """

    def __init__(self, url: str, clock: Clock, timeout: float = _REDIS_TIMEOUT) -> None:
        if url.startswith("valkey"):
            url = "redis" + url.removeprefix("valkey")
        self._clock = clock
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_REDIS_CONNECTIONS,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            # One immediate retry: a kept connection may have died. Counting an attempt twice is
            # harmless.
            retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,)),
        )
        try:  # otherwise it would fail at the first request
            pool.connection_class(**pool.connection_kwargs)
        except (TypeError, RedisError):
            raise ValueError("there is a parameter that it does not take") from None
        self._client = Redis.from_pool(pool)
        self._count = self._client.register_script(_COUNT)
        self._give_back = self._client.register_script(_GIVE_BACK)

    async def count_attempt(
        self, windows: Sequence[Window], beside: Sequence[Window] = ()
    ) -> Outcome:
        wanted = [*windows, *beside]
        arguments: list[Any] = [_milliseconds(self._clock.now()), len(windows)]
        for window in wanted:
            arguments += [window.amount, window.seconds * 1000]
        with _translated_faults():
            counted, *numbers = await self._count([_name(window) for window in wanted], arguments)
        tallies = tuple(
            Tally(window, count, datetime.fromtimestamp(ends / 1000, UTC))
            for window, count, ends in zip(wanted, numbers[::2], numbers[1::2], strict=True)
        )
        return Outcome(counted > 0, tallies, beside=counted > len(windows))

    async def give_back(self, taken: Sequence[Tally], emptied: Sequence[Tally] = ()) -> None:
        arguments: list[Any] = []
        for tally in taken:
            arguments += [_milliseconds(tally.expires_at), 0]
        for tally in emptied:
            arguments += [_milliseconds(tally.expires_at), 1]
        with _translated_faults():
            await self._give_back([_name(t.window) for t in (*taken, *emptied)], arguments)

    async def forget(self, windows: Sequence[Window]) -> None:
        with _translated_faults():
            await self._client.delete(*(_name(window) for window in windows))

    async def delete_expired(self, batch: int) -> int:
        """Do nothing: the server deletes expired keys by itself."""
        return 0

    async def close(self) -> None:
        await self._client.aclose()


def _name(window: Window) -> str:
    return f"keyfob:attempts:{window.key}"


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@contextmanager
def _translated_faults() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as fault:
        raise Unavailable("The limit store does not answer") from fault
