"""A stand-in for Keyfob in the tests of a service: real tokens, without a server.

The pytest plugin has it as the fixture `keyfob`; elsewhere it is `with FakeKeyfob() as keyfob:`.
"""

from keyfob_client.testing.callers import ApiKey, Caller
from keyfob_client.testing.clock import Clock
from keyfob_client.testing.keyfob import FakeKeyfob

__all__ = ["ApiKey", "Caller", "Clock", "FakeKeyfob"]
