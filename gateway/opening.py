"""Opening the gateway: stores, secrets, access, terminology, and an adapter for every configured source.

Whatever is wrong here is a person's to put right: every error names the place in the configuration.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from adapters.sdk import Adapter, HttpSettings, Settings, SettingsError, Source
from adapters.sdk.client import open_client
from adapters.sdk.registry import load as load_adapter
from gateway.access import Access, AccessSetup, Grant, LocalOnly, StaticTokens
from gateway.allowance import Allowance
from gateway.audit import AuditUnavailable, SqliteAudit
from gateway.config import Config, ConfigError, SourceTable, advice
from gateway.flights import ConfiguredSource
from gateway.identity.crossref import CrossReferenceUnavailable, open_crossref
from gateway.keys import Keys, state_secret
from gateway.service import Service
from gateway.supplied import terminology
from gateway.telemetry import Metrics
from gateway.translating import Translator


@asynccontextmanager
async def open_service(
    config: Config,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Service]:
    """Load every adapter, open the stores, and close them all at the end, or at once when one cannot be opened.

    `clock` tells what is written down; by `monotonic`, in seconds, is counted how often a user searches.

    Raises ConfigError or SettingsError, naming the place, for what a person must put right.
    """
    settings = [read_settings(config, number) for number in range(len(config.sources))]
    config.check_secrets_and_files(settings)
    state_dir, metrics = config.state_dir, Metrics()
    async with AsyncExitStack() as stack:
        try:
            state_dir.mkdir(parents=True, exist_ok=True)
            keys = Keys(config.gateway.secret.reveal().encode() if config.gateway.secret else state_secret(state_dir))
            access = _access(config)
            translator = _translator(config, metrics)
            stack.push_async_callback(translator.close)
            sources = {}
            for table, own in zip(config.sources, settings, strict=True):
                adapter = make_adapter(table, own)
                stack.push_async_callback(_release, adapter)
                sources[table.id] = ConfiguredSource(table, adapter)
            audit = SqliteAudit(config.audit_path, clock)
            stack.push_async_callback(audit.close)
            crossref = await open_crossref(config.crossref, clock)
            stack.push_async_callback(crossref.close)
        except (OSError, ValueError) as problem:
            raise ConfigError(f"[gateway] state_dir or secret cannot be used: {type(problem).__name__}") from None
        except (AuditUnavailable, CrossReferenceUnavailable) as problem:
            raise ConfigError(f"{state_dir}: a store cannot be opened, so nothing is served: {problem}") from None
        except AccessSetup as problem:
            raise ConfigError(str(problem)) from None
        allowance = Allowance(config.gateway.searches_per_minute, monotonic)
        service = Service(config, keys, sources, access, audit, crossref, translator, clock, allowance, metrics)
        stack.push_async_callback(service.flights.close)
        stack.push_async_callback(service.updates.close)
        yield service


async def _release(adapter: Adapter[Any]) -> None:
    await adapter.close()
    if adapter.source.http is not None:
        await adapter.source.http.close()


def _translator(config: Config, metrics: Metrics) -> Translator:
    """What the deployment supplies, and the terminology server that is asked for the rest."""
    table, terms = config.terminology.server, terminology(config)
    if table.base_url is None:
        return Translator(terms)
    settings = HttpSettings(base_url=table.base_url, ca=table.ca, proxy=table.proxy)
    http = open_client(
        settings,
        table.auth,
        name="the terminology server",
        timeout_s=table.timeout,
        max_concurrency=table.max_concurrency,
    )
    return Translator(terms, table, http, metrics=metrics)


def _access(config: Config) -> Access:
    if not config.access.tokens:
        return LocalOnly("127.0.0.1")
    return StaticTokens(
        (table.token.reveal(), Grant(**table.model_dump(exclude={"token"}))) for table in config.access.tokens
    )


def read_settings(config: Config, number: int) -> Settings:
    """The `settings` of a source as its adapter reads them. Raises SettingsError or ConfigError, naming both."""
    table = config.sources[number]
    model = load_adapter(table.adapter).settings_model
    try:
        return model.model_validate(table.settings, context={"folder": config.folder})
    except SettingsError as problem:  # a secret itself, where the name of one belongs
        raise ConfigError(config.at(("sources", number, "settings"), str(problem))) from None
    except ValidationError as problem:
        mistakes = problem.errors(include_input=False)
        told = "; ".join(": ".join(filter(None, (".".join(map(str, one["loc"])), advice(one)))) for one in mistakes)
        raise SettingsError(f"source {table.id!r}: settings: {told}") from None


def make_adapter(table: SourceTable, settings: Settings) -> Adapter[Any]:
    """The adapter of a configured source. Raises SettingsError that names the source."""
    try:
        return _of_kind(load_adapter(table.adapter), table, settings)
    except SettingsError as problem:
        raise SettingsError(f"source {table.id!r}: {problem}") from None


def _of_kind(kind: type[Adapter[Any]], table: SourceTable, settings: Settings) -> Adapter[Any]:
    http = None
    if kind.uses_http:
        if not isinstance(settings, HttpSettings):
            raise SettingsError(f"adapter kind {table.adapter!r}: settings_model must extend HttpSettings")
        http = open_client(
            settings, table.auth, name=table.id, timeout_s=table.timeout, max_concurrency=table.max_concurrency
        )
    return kind(
        Source(
            id=table.id,
            name=table.name,
            organization=table.organization,
            timezone=table.timezone,
            settings=settings,
            timeout_s=table.timeout,
            http=http,
        )
    )
