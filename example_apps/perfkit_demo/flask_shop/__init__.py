"""The shop in Flask: `app.py` puts it together, the other modules are its corners."""
