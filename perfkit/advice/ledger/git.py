"""Which commit of git a directory has checked out: read from its files, git itself is never run.

Source of the layout: gitrepository-layout(5). What cannot be read is no release, and no error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["release_of"]

HIGHEST = 8
"""Directories above the one that is asked for that may hold the repository."""

MOST_BYTES = 4 * 1024 * 1024
"""Bytes of a file of git that is read; a larger one is taken as none."""

MOST_TAGS = 2_000
SHORT = 12
"""Characters of a commit's name that are shown."""

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_TAG = "refs/tags/"


def release_of(path: Path) -> str | None:
    """Return the tag of what is checked out around *path*, else the first 12 characters of its commit, else None."""
    for folder in (path, *list(path.parents)[:HIGHEST]):
        git = _git_of(folder)
        if git is not None:
            common = _common(git)
            commit = _commit(git, common)
            return None if commit is None else _tag(common, commit) or commit[:SHORT]
    return None


def _git_of(folder: Path) -> Path | None:
    """Return git's directory of *folder*; in a worktree a file says where it lies."""
    entry = folder / ".git"
    if (entry / "HEAD").is_file():
        return entry
    told = _read(entry)
    if told.startswith("gitdir:"):
        return folder / told.removeprefix("gitdir:").strip()
    return None


def _common(git: Path) -> Path:
    """Return the directory in which the references of all worktrees lie."""
    told = _read(git / "commondir")
    return git / told if told else git


def _commit(git: Path, common: Path) -> str | None:
    head = _read(git / "HEAD")
    if not head.startswith("ref:"):
        return head if _COMMIT.fullmatch(head) else None
    name = head.removeprefix("ref:").strip()
    if ".." in name or name.startswith("/"):
        return None
    for folder in (git, common):
        commit = _read(folder / name)
        if _COMMIT.fullmatch(commit):
            return commit
    return next((commit for commit, known in _packed(common) if known == name), None)


def _tag(common: Path, commit: str) -> str | None:
    """Return a tag of *commit*: a light one, or any that git has packed."""
    for known, name in _packed(common):
        if known == commit and name.startswith(_TAG):
            return name.removeprefix(_TAG)
    with suppress(OSError):
        for number, file in enumerate(sorted((common / "refs" / "tags").rglob("*"), reverse=True)):
            if number == MOST_TAGS:
                break
            if file.is_file() and _read(file) == commit:
                return file.relative_to(common / "refs" / "tags").as_posix()
    return None


def _packed(common: Path) -> Iterator[tuple[str, str]]:
    """Yield commit and name of the packed references; an annotated tag comes with the commit that it is about."""
    name = ""
    for line in _read(common / "packed-refs").splitlines():
        if line.startswith("^"):
            yield line[1:], name
        elif not line.startswith("#"):
            commit, _, name = line.partition(" ")
            yield commit, name


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > MOST_BYTES:
            return ""
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
