"""Floor 1: the GraphQL face of `schema.model`. Resolvers are one call to a port that the gateway implements."""
