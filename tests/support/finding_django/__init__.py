"""The shop of the examples for Django: an app with its models."""
