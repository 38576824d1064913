"""The shop's database in SQLAlchemy, for the shops in FastAPI and Flask: models, statements, connections."""
