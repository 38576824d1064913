"""Strategies in simulation: many clients, many servers, and everything that goes wrong with servers."""
