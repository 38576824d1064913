"""Which release is checked out, read from git's files; compared with what git itself says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from perfkit.advice.ledger.git import SHORT, release_of

GIT = shutil.which("git")
pytestmark = pytest.mark.skipif(GIT is None, reason="needs git: apt-get install git")


def git(folder: Path, *arguments: str) -> str:
    assert GIT is not None
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        [GIT, "-C", str(folder), *who, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1"},
    )
    return done.stdout.strip()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def commit(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD")[:SHORT]


def test_a_branch_gives_its_commit_also_from_below(shop: Path) -> None:
    (shop / "src" / "shop").mkdir(parents=True)
    assert release_of(shop) == release_of(shop / "src" / "shop") == commit(shop)


def test_packed_references_are_read(shop: Path) -> None:
    git(shop, "pack-refs", "--all")
    assert not (shop / ".git" / "refs" / "heads" / "main").exists()
    assert release_of(shop) == commit(shop)


def test_a_detached_head_is_read(shop: Path) -> None:
    git(shop, "checkout", "-q", "--detach")
    assert release_of(shop) == commit(shop)


def test_a_light_tag_is_told_in_place_of_its_commit(shop: Path) -> None:
    git(shop, "tag", "v2.8.1")
    assert release_of(shop) == "v2.8.1"
    git(shop, "commit", "-q", "--allow-empty", "-m", "second")
    assert release_of(shop) == commit(shop)


def test_a_packed_tag_is_told_light_or_annotated(shop: Path) -> None:
    git(shop, "tag", "-a", "v2.9.0", "-m", "release")
    git(shop, "pack-refs", "--all")
    assert release_of(shop) == "v2.9.0"


def test_a_worktree_has_a_head_of_its_own(shop: Path, tmp_path: Path) -> None:
    git(shop, "worktree", "add", "-q", "-b", "next", str(tmp_path / "next"))
    git(tmp_path / "next", "commit", "-q", "--allow-empty", "-m", "second")
    assert release_of(tmp_path / "next") == commit(tmp_path / "next") != release_of(shop)


def test_without_git_there_is_no_release(tmp_path: Path) -> None:
    assert release_of(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "head", ["", "ref: ../../../../etc/passwd", "ref: /etc/passwd", "no commit", "\x00" * 50, "ref:"]
)
def test_a_head_that_makes_no_sense_is_no_release(tmp_path: Path, head: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(head)
    assert release_of(tmp_path) is None


def test_a_repository_without_a_commit_has_no_release(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert release_of(tmp_path) is None
