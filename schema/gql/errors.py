"""The errors a query can end in: one documented list of codes, each with a FHIR issue type and who acts next.

A source's failure is not among them: it is data, in `sources` and in each section.
"""

from enum import Enum

from graphql import GraphQLError


class ErrorCode(Enum):
    """Codes in `extensions.code`, each with its FHIR issue type (http://hl7.org/fhir/issue-type)."""

    BAD_REQUEST = ("invalid", "The request is not a GraphQL request; the message says what is missing.")
    PERSISTED_QUERY_NOT_FOUND = ("not-found", "No document of this hash is kept here; send it once with its hash.")
    DOCUMENT_NOT_TRUSTED = ("security", "Only documents of the deployment's manifest are run here.")
    GRAPHQL_INVALID = ("invalid", "The document does not fit the schema; the message says where.")
    IDENTIFIER_INVALID = ("value", "The identifier cannot be a number of that system; check the digits.")
    DEADLINE_INVALID = ("value", "The deadline is not an ISO 8601 duration above 0 and at most PT30S.")
    CURSOR_INVALID = ("value", "The cursor was not made by this schema; start without `after`.")
    ARGUMENT_INVALID = ("value", "An argument is out of range; the message says the range.")
    REPRESENTATION_INVALID = ("invalid", "A federation representation names no PatientRecord by its whole key.")
    SEARCH_TOO_WIDE = ("too-costly", "The search would find too many people; the message says what to add.")
    SEARCH_THROTTLED = ("throttled", "This user has searched too often; the message says when to try again.")
    NOT_AUTHENTICATED = ("login", "No valid credentials; send `Authorization: Bearer ...`.")
    ACCESS_DENIED = ("forbidden", "The policy does not allow this actor this question for this purpose.")
    PATIENT_NOT_FOUND = ("not-found", "The identity authority does not know this identifier.")
    IDENTITY_UNRESOLVED = ("incomplete", "Who this is could not be established; nothing clinical is shown.")
    TOO_MANY_AT_ONCE = ("throttled", "This caller has as many subscriptions or questions open as one may; end some.")
    LINK_CONFLICT = ("conflict", "The record is linked to somebody else: unlink it there first.")
    LINK_UNKNOWN = ("not-found", "A decision about a person or a record that is not known here: check both.")
    AUDIT_UNAVAILABLE = ("no-store", "The audit store cannot record the access; nothing is disclosed.")
    INTERNAL = ("exception", "A fault of ours; it is logged under the reference in the message.")

    @property
    def issue_type(self) -> str:
        """FHIR's issue type."""
        return str(self.value[0])

    @property
    def explanation(self) -> str:
        """One sentence for the reference page."""
        return str(self.value[1])


class QueryError(GraphQLError):
    """An error of a query, with its documented code. The message never quotes an identifier or a value."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message, extensions={"code": code.name, "issueType": code.issue_type})
        self.code = code
