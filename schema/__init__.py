"""The shared language: clinical facts (`schema.model`) and their GraphQL face (`schema.gql`)."""
