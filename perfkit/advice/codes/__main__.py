"""``python -m perfkit.advice.codes``: write the pages of all codes into the documentation."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from perfkit.advice.codes import explanations, index, page

__all__ = ["documents", "main"]


def documents() -> dict[str, str]:
    """Return all pages by the name of their file."""
    told = explanations()
    return {"codes.md": index(told), **{f"{each.code}.md": page(each) for each in told}}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write them, and remove what is none of them."""
    parser = argparse.ArgumentParser(prog="python -m perfkit.advice.codes", description=__doc__)
    parser.add_argument("--directory", type=Path, default=Path("docs/reference/findings"), metavar="FOLDER")
    folder: Path = parser.parse_args(arguments).directory
    folder.mkdir(parents=True, exist_ok=True)
    pages = documents()
    for path in folder.glob("*.md"):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
