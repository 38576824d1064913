"""The shop's routes in FastAPI, a module for each corner of the shop."""
