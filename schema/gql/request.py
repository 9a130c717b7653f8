"""What every resolver of one request has, and how a person is named in it."""

import strawberry

from schema.gql.ports import GatewayPort

NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"


MOST_AT_ONCE = 50
"""People in one request. A list of more is refused before anybody in it is looked at."""


class Context:
    """What the gateway hands to every resolver of one request."""

    def __init__(self, gateway: GatewayPort) -> None:
        self.gateway = gateway


@strawberry.input(description="A person's number within a system.")
class IdentifierInput:
    value: str = strawberry.field(description="The number; spaces do not matter.")
    system: str = strawberry.field(default=NHS_NUMBER, description="URI of the number's system.")
