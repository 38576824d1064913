"""The OpenAPI document of perfkit's own paths: made from the tables and types that answer them."""
