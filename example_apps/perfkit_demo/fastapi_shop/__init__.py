"""The shop in FastAPI: `app.py` puts it together, the other modules are its corners."""
