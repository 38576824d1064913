"""How statements are seen: hooks into SQLAlchemy, DB-API drivers and asyncpg, and what they all report to."""
