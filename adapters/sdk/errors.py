"""What can go wrong with a source. The type says who acts next.

    SourceError
    ├── TransientError            the gateway may try again inside the deadline
    │   ├── SourceUnavailable     down, refused, reset                     SOURCE_UNAVAILABLE
    │   ├── SourceTimeout         no complete answer in time               SOURCE_TIMEOUT
    │   └── SourceThrottled       asked to slow down                       SOURCE_THROTTLED
    └── PermanentError            a person must act
        ├── SourceAuth            our credentials were refused             SOURCE_AUTH
        ├── SourceRequest         the source says the question is wrong    SOURCE_REQUEST
        ├── SourceInvalid         the answer is not what it must be        SOURCE_INVALID
        └── SettingsError         the configuration is wrong               CONFIGURATION

A message says what happened in our own words: never a URL, an identifier, a payload, or a foreign exception's text.
"""

from typing import ClassVar


class SourceError(Exception):
    """Anything that kept a source from answering. `code` is the documented error code, `issue_type` FHIR's."""

    code: ClassVar[str] = "SOURCE_ERROR"
    issue_type: ClassVar[str] = "exception"


class TransientError(SourceError):
    """It may work if tried again."""

    issue_type = "transient"


class SourceUnavailable(TransientError):
    """The source could not be reached, refused the connection, or broke it off."""

    code = "SOURCE_UNAVAILABLE"


class SourceTimeout(TransientError):
    """The source did not answer completely in time."""

    code = "SOURCE_TIMEOUT"
    issue_type = "timeout"


class SourceThrottled(TransientError):
    """The source asked to be left alone for `retry_after_s` seconds (null when it did not say)."""

    code = "SOURCE_THROTTLED"
    issue_type = "throttled"

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PermanentError(SourceError):
    """Trying again will not help: a person must act."""


class SourceAuth(PermanentError):
    """The source refused our credentials or our right to ask."""

    code = "SOURCE_AUTH"
    issue_type = "security"


class SourceRequest(PermanentError):
    """The source says that the question was wrong."""

    code = "SOURCE_REQUEST"
    issue_type = "invalid"


class SourceInvalid(PermanentError):
    """The answer came and is not what the protocol says: nothing of it is used or cached."""

    code = "SOURCE_INVALID"
    issue_type = "structure"


class SettingsError(PermanentError):
    """The configuration of this source is wrong; the message says what to write."""

    code = "CONFIGURATION"
    issue_type = "invalid"
