"""Counters of the endpoint, for Prometheus."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
STD_LN = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5)


class Metrics:
    """What is counted. Routes are those of the API, never what a client made up."""

    def __init__(self, release: str = "") -> None:
        self.registry = CollectorRegistry()
        kept: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("ssbray_requests", "Requests answered", ["route", "status"], **kept)
        self.seconds = Histogram("ssbray_request_seconds", "From first byte to answer", ["route"], buckets=SECONDS,
                                 **kept)
        self.rejects = Counter("ssbray_rejects", "Requests refused, by code", ["code"], **kept)
        self.waiting = Gauge("ssbray_queue", "Predictions that wait for a place", **kept)
        self.working = Gauge("ssbray_ongoing", "Predictions that are worked on", **kept)
        self.predictions = Counter("ssbray_predictions", "Predictions given", ["kind"], **kept)
        self.outside = Counter("ssbray_out_of_domain", "Predictions outside the training domain", **kept)
        self.anomalies = Counter("ssbray_anomalies", "Predictions with the anomaly flag", **kept)
        self.retries = Counter("ssbray_retries", "Predictions repeated: a replica died, or two releases met", **kept)
        self.std = Histogram("ssbray_predictive_std_ratio", "Standard deviation over mean of the conductivity",
                             buckets=STD_LN, **kept)

    def predicted(self, kind: str, answer: dict[str, Any]) -> None:
        """Count an answer."""
        self.predictions.labels(kind).inc()
        self.outside.inc(not answer["in_domain"])
        self.anomalies.inc(bool(answer["anomaly"]["flag"]))
        sigma = answer["sigma_eff_S_per_cm"]
        if sigma["mean"]:
            self.std.observe(sigma["std"] / sigma["mean"])

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)
