"""The shop in Django: `settings.py` and `urls.py` say what it is made of, the other modules are its corners."""
