"""The one table of metrics: what Prometheus scrapes and docs/reference/metrics.md are made of it.

Label values come from small fixed sets (route templates, codes, states): never an id, a name or a
path. Times are seconds, sizes bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

__all__ = ["TABLE", "Meters", "Metric"]


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    process: Literal["gateway", "worker"] = "gateway"
    followed: bool = False  # counted elsewhere as a plain number, read at each scrape


_SECONDS = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    60.0,
)

REQUESTS = Metric(
    "stowbay_http_requests_total",
    "counter",
    "Requests answered, by route template, method and status.",
    ("route", "method", "status"),
)
REQUEST_SECONDS = Metric(
    "stowbay_http_request_seconds",
    "histogram",
    "Time from the request's head to its answer; long polls of the journal are left out.",
    ("route", "method"),
    _SECONDS,
)
IN_FLIGHT = Metric(
    "stowbay_http_requests_in_flight", "gauge", "Requests being handled now, long polls included."
)
PROBLEMS = Metric(
    "stowbay_problems_total",
    "counter",
    "Answers that were problems, by code (errors.md). `internal` must stay 0.",
    ("code",),
)
CACHE_LOOKUPS = Metric(
    "stowbay_cache_lookups_total",
    "counter",
    "Sessions and nodes looked up in Redis: hit or miss.",
    ("result",),
    followed=True,
)
CACHE_FAILURES = Metric(
    "stowbay_cache_failures_total",
    "counter",
    "Calls to Redis that had no answer in time.",
    followed=True,
)
CACHE_UP = Metric(
    "stowbay_cache_up",
    "gauge",
    "1 while the last call to Redis was answered; absent when the cache is switched off.",
    followed=True,
)
LOOP_LAG = Metric(
    "stowbay_loop_lag_seconds",
    "gauge",
    "How late the event loop ran a timer, at the last look (every second).",
)
START_TIME = Metric(
    "stowbay_start_time_seconds", "gauge", "When the process started, Unix time.", ("version",)
)
JOB_RUNS = Metric(
    "stowbay_job_runs_total",
    "counter",
    "Runs of the workers' jobs over one space or bucket: done, failed or lost (lease).",
    ("job", "result"),
    process="worker",
)
JOB_SECONDS = Metric(
    "stowbay_job_seconds",
    "histogram",
    "Time of one run of a job over one space or bucket.",
    ("job",),
    _SECONDS,
    process="worker",
)
JOB_ITEMS = Metric(
    "stowbay_job_items_total",
    "counter",
    "What jobs did: uploads finished, objects deleted, blobs scrubbed and so on.",
    ("job", "action"),
    process="worker",
)
UNEXPLAINED = Metric(
    "stowbay_unexplained",
    "gauge",
    "Differences between rows and store that nothing explains, as of the last nightly comparison: "
    "objects without a row, rows without an object, wrong sizes, multipart uploads without a row. "
    "Must be 0.",
    ("kind",),
    process="worker",
)
SCRUB_FAILURES = Metric(
    "stowbay_scrub_failures_total",
    "counter",
    "Blobs whose bytes, read back, were not those of their chunk list. Must stay 0.",
    process="worker",
)
DATABASE_WRITABLE = Metric(
    "stowbay_database_writable",
    "gauge",
    "1 while the last write that this worker tried (every 15 s, one that needs new room on the "
    "primary's disk) was committed.",
    ("database",),
    process="worker",
)
UPLOADS_STUCK = Metric(
    "stowbay_uploads_stuck",
    "gauge",
    "Uploads that have been completing or aborting for more than 15 minutes. Must be 0.",
    process="worker",
)
HEALS_LATE = Metric(
    "stowbay_heals_late",
    "gauge",
    "Stored objects that have waited for more than 15 minutes until every drive of the store is "
    "known to have them. 0 but while a drive is away, and shortly after.",
    process="worker",
)

TABLE = (
    REQUESTS, REQUEST_SECONDS, IN_FLIGHT, PROBLEMS, CACHE_LOOKUPS, CACHE_FAILURES, CACHE_UP,
    LOOP_LAG, START_TIME, JOB_RUNS, JOB_SECONDS, JOB_ITEMS, UNEXPLAINED, SCRUB_FAILURES,
    DATABASE_WRITABLE, UPLOADS_STUCK, HEALS_LATE,
)  # fmt: skip


class Meters:
    """The table as live objects, in a registry of their own (tests make as many as they like)."""

    def __init__(self, process: Literal["gateway", "worker"]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        wanted = [
            metric
            for metric in TABLE
            if not metric.followed and (metric is START_TIME or metric.process == process)
        ]
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for m in wanted:
            if m.kind == "counter":
                self._counters[m.name] = Counter(m.name, m.help, m.labels, registry=self.registry)
            elif m.kind == "gauge":
                self._gauges[m.name] = Gauge(m.name, m.help, m.labels, registry=self.registry)
            else:
                self._histograms[m.name] = Histogram(
                    m.name, m.help, m.labels, registry=self.registry, buckets=m.buckets
                )

    def counter(self, metric: Metric) -> Counter:
        return self._counters[metric.name]

    def gauge(self, metric: Metric) -> Gauge:
        return self._gauges[metric.name]

    def histogram(self, metric: Metric) -> Histogram:
        return self._histograms[metric.name]

    def follow(self, metric: Metric, readings: dict[tuple[str, ...], Callable[[], float]]) -> None:
        """`readings`: label values -> the present figure."""
        self.registry.register(_Followed(metric, readings))


class _Followed(Collector):
    def __init__(
        self, metric: Metric, readings: dict[tuple[str, ...], Callable[[], float]]
    ) -> None:
        assert metric.followed, metric.name
        self._metric = metric
        self._readings = readings

    def collect(self) -> Iterable[Family]:
        m = self._metric
        family = (
            CounterMetricFamily(m.name, m.help, labels=m.labels)
            if m.kind == "counter"
            else GaugeMetricFamily(m.name, m.help, labels=m.labels)
        )
        for labels, read in self._readings.items():
            family.add_metric(labels, read())
        yield family
