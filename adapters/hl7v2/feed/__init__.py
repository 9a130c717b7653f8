"""HL7 v2 feeds: a listener that keeps what a hospital sends unasked, and the source that reads it."""

from adapters.hl7v2.feed.adapter import Hl7v2FeedAdapter
from adapters.hl7v2.feed.kept import StoreUnavailable
from adapters.hl7v2.feed.listener import listening
from adapters.hl7v2.feed.opening import open_store
from adapters.hl7v2.feed.settings import FeedSettings
from adapters.hl7v2.feed.store import Store

__all__ = ["FeedSettings", "Hl7v2FeedAdapter", "Store", "StoreUnavailable", "listening", "open_store"]
