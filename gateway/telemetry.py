"""Logs and metrics that say what happened and never to whom.

No identifier, name, date, value, URL or payload: events carry source ids, codes, counts and durations only. Loggers of
libraries that quote queries, URLs or payloads are silenced.
"""

import logging
import secrets
import sys
import traceback
from contextlib import suppress
from typing import TextIO, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SILENCED = ("strawberry", "graphql", "httpx", "httpcore", "aiohttp", "asyncio", "uvicorn.access", "uvicorn.error")
"""Loggers that put queries, URLs, payloads or the text of exceptions into what they write."""

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


def configure_logs(level: str = "info") -> None:
    """One line of JSON for each event, on standard error."""
    for name in SILENCED:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _StandardError())),
        cache_logger_on_first_use=False,
    )


class _StandardError:
    """Standard error as it is at the moment. A log that cannot be written never costs an answer."""

    def write(self, text: str) -> None:
        with suppress(ValueError, OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(ValueError, OSError):
            sys.stderr.flush()


def log_fault(log: structlog.stdlib.BoundLogger, problem: BaseException) -> str:
    """Log a fault of ours by its kind and place, never by its text, and give the reference it is logged under."""
    reference = secrets.token_hex(4)
    frames = traceback.extract_tb(problem.__traceback__)
    place = {"file": frames[-1].filename, "line": frames[-1].lineno} if frames else {}
    log.error("fault", reference=reference, kind=type(problem).__name__, **place)
    return reference


class Metrics:
    """What the gateway counts, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "sherwood_requests_total", "GraphQL requests by outcome.", ["outcome"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "sherwood_request_seconds", "Receipt to last byte.", registry=self.registry, buckets=_BUCKETS
        )
        self.source_answers = Counter(
            "sherwood_source_answers_total",
            "What became of each source in each view.",
            ["source", "state", "code", "cache"],
            registry=self.registry,
        )
        self.source_seconds = Histogram(
            "sherwood_source_seconds",
            "How long each source took.",
            ["source"],
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self.searches = Counter(
            "sherwood_searches_total", "Searches by demographics, by outcome.", ["outcome"], registry=self.registry
        )
        self.subscriptions_open = Gauge(
            "sherwood_subscriptions_open", "Subscriptions that are open now.", registry=self.registry
        )
        self.subscriptions_begun = Counter(
            "sherwood_subscriptions_begun_total", "Subscriptions that were given a place.", registry=self.registry
        )
        self.subscriptions_refused = Counter(
            "sherwood_subscriptions_refused_total",
            "Refused with TOO_MANY_AT_ONCE, by the limit: user (a subscription of a caller who had as many as may be) "
            "or connection (whatever came on a WebSocket on which as much was under way as may be).",
            ["limit"],
            registry=self.registry,
        )
        self.subscriptions_ended = Counter(
            "sherwood_subscriptions_ended_total",
            "Subscriptions that ended: left (by the caller, or cut), going (the gateway), or the code of their error.",
            ["reason"],
            registry=self.registry,
        )
        self.identity = Counter(
            "sherwood_identity_total", "Decisions about source records, by grade.", ["source", "grade"],
            registry=self.registry,
        )  # fmt: skip
        self.translations = Counter(
            "sherwood_translations_total",
            "What became of codes, as often as a view held them: known to a map, translated or found to have no "
            "translation by the terminology server, not answered in time, or not usably. Counted where there is one.",
            ["result"],
            registry=self.registry,
        )

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
