"""Build the documentation site: ``python docs/build.py``, or ``--serve`` to see it while writing.

The start page, docs/README.md, is the navigation as well: its headings are the parts and their groups, its lists their
pages. A link to the list of a folder brings the pages of that folder along. Zensical makes the site; a broken link ends
the build.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PUBLISHED = ("*.md", "*.png", "*.json", "*.yml", "*.yaml")
LISTS = ("README.md", "codes.md", "modules.md")
"""Pages that list the others of their folder."""

_HEADING = re.compile(r"^(###?) (.+)$")
_PAGE = re.compile(r"\[([^\]]+)\]\(([\w/.-]+\.md)\)")
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)

Navigation = list[dict[str, Any]]


def navigation(start: str) -> Navigation:
    """Return the parts of the page *start* with their pages, as Zensical wants them."""
    parts: Navigation = [{"Home": "README.md"}]
    pages: Navigation = []
    part: Navigation = []
    for line in start.splitlines():
        if heading := _HEADING.match(line):
            pages = []
            if heading[1] == "##":
                part = pages
                parts.append({heading[2]: pages})
            else:
                part.append({heading[2]: pages})
        elif line.startswith("- "):
            pages += [_entry(title, path) for title, path in _PAGE.findall(line)]
    return [part for part in parts if all(part.values())]


def _entry(title: str, path: str) -> dict[str, Any]:
    """Return one page; of the list of a folder all pages of that folder."""
    folder, _, name = path.rpartition("/")
    if name not in LISTS:
        return {title: path}
    others = sorted(page for page in (DOCS / folder).glob("*.md") if page.name != name)
    return {title: [path, *({_title(page): f"{folder}/{page.name}"} for page in others)]}


def _title(page: Path) -> str:
    found = _TITLE.search(page.read_text(encoding="utf-8"))
    assert found, f"{page} has no title"
    return found[1].replace("`", "")


def configuration() -> str:
    """Return the configuration with the navigation."""
    given = (DOCS / "zensical.toml").read_text(encoding="utf-8")
    told = _toml(navigation((DOCS / "README.md").read_text(encoding="utf-8")))
    return given.replace("\n[project.theme]\n", f"\nnav = {told}\n\n[project.theme]\n", 1)


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        members = (f"{json.dumps(key, ensure_ascii=False)} = {_toml(each)}" for key, each in value.items())
        return f"{{ {', '.join(members)} }}"
    return json.dumps(value, ensure_ascii=False)


def stage(pages: Path) -> None:
    """Copy what is published to the folder *pages*, beside which Zensical wants its configuration; leave the same."""
    wanted = {path.relative_to(DOCS) for kind in PUBLISHED for path in DOCS.rglob(kind)}
    for gone in [path for path in pages.rglob("*") if path.is_file() and path.relative_to(pages) not in wanted]:
        gone.unlink()
    for name in wanted:
        source, target = DOCS / name, pages / name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def main() -> int:
    """Build or serve; return Zensical's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help="serve it at 127.0.0.1:8001 and build anew what changes")
    parser.add_argument(
        "--into", type=Path, default=ROOT / "build", metavar="FOLDER", help="where the site comes (build)"
    )
    options = parser.parse_args()
    build: Path = options.into
    stage(build / "docs")
    config = build / "zensical.toml"
    config.write_text(configuration(), encoding="utf-8")
    program = Path(sys.executable).with_name("zensical")
    if not options.serve:
        shutil.rmtree(build / "site", ignore_errors=True)
        return subprocess.run(
            [program, "build", "--strict", "--clean", "--config-file", config], check=False
        ).returncode
    with subprocess.Popen([program, "serve", "--dev-addr", "127.0.0.1:8001", "--config-file", config]) as server:
        try:
            while server.poll() is None:
                time.sleep(1.0)
                stage(build / "docs")
        except KeyboardInterrupt:
            server.terminate()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
