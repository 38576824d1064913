"""`perfkit advise`: what to do first, of a running service; or, of a database, without any web app."""

from __future__ import annotations

import argparse

from perfkit.cli.arguments import add_output, add_service, whole_number

__all__ = ["add_arguments", "run"]


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit advise` to *command*."""
    add_service(command)
    add = command.add_argument
    add("--top", type=whole_number(1, 100), default=5, metavar="COUNT", help="of a service: so many findings (5)")
    add("--code", metavar="CODE", help="of a service: only codes that begin so, such as PK101 or PK2")
    add("--explain", action="store_true", help="of a service: with evidence, the text of the fix and what it saves")
    add("--database", metavar="URL", help="of this database alone: postgresql://user@host/name or sqlite:///shop.db")
    add("--workload", metavar="FILE", help="statements with their calls, or pg_stat_statements, which is the default")
    add("--schema", metavar="NAME", help="where the tables are; the search path by default")
    add_output(command)


def run(options: argparse.Namespace) -> int:
    """Print what is found; return 0 if that is nothing, else 1.

    Raises:
        PerfkitError: The service or the database cannot be asked, or the options do not go together.
    """
    if options.database is None:
        from perfkit.cli.reading import findings
        from perfkit.core.errors import DatabaseError

        for name in ("workload", "schema"):
            if getattr(options, name) is not None:
                raise DatabaseError(f"--{name} was given without --database. It is about a database. Name that too.")
        return findings.run(options)
    from perfkit.cli.reading import indexes

    return indexes.run(options)
