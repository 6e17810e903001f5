"""The metrics of a verifier for Prometheus: `REGISTRY.register(Collector(verifier))`."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector as Base

from keyfob_client.metrics import FeedState
from keyfob_client.verifier import Trust


class Collector(Base):
    """Reads the metrics of a verifier whenever they are asked for."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust

    def collect(self) -> Iterator[Metric]:
        """Yield each metric."""
        metrics = self._trust.metrics
        tokens = CounterMetricFamily(
            "keyfob_client_tokens", "Tokens that were believed.", labels=["how"]
        )
        tokens.add_metric(["verified"], metrics.verified)
        tokens.add_metric(["remembered"], metrics.remembered)
        yield tokens
        for name, text, counts in (
            ("refused", "Tokens that were refused, by the reason.", metrics.refused),
            ("events", "Events, such as feed_lost.", metrics.events),
        ):
            family = CounterMetricFamily(f"keyfob_client_{name}", text, labels=["what"])
            for what, count in counts.copy().items():
                family.add_metric([what], count)
            yield family
        yield from self._feed()

    def _feed(self) -> Iterator[Metric]:
        metrics = self._trust.metrics
        states = GaugeMetricFamily(
            "keyfob_client_feed",
            "1 for the way in which revocations are followed.",
            labels=["state"],
        )
        for state in FeedState:
            states.add_metric([state], float(state is metrics.feed))
        yield states
        yield GaugeMetricFamily(
            "keyfob_client_revocations", "Revocations held.", metrics.revocations
        )
        if metrics.feed_contact_at is not None:
            age = self._trust.now() - metrics.feed_contact_at
            yield GaugeMetricFamily(
                "keyfob_client_feed_age_seconds", "Since the last contact with the feed.", age
            )
