"""One token for all workers."""

from __future__ import annotations

import io
import os
import re
import stat
import threading
from pathlib import Path

import pytest

from perfkit.core.errors import StoreError
from perfkit.http.tokens import TOKEN_FILE, is_shown, new_token, ready_url, shared_token


def test_a_made_token_has_at_least_128_bits_and_needs_no_escaping() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", token) for token in tokens)


def test_workers_of_one_directory_share_a_token(tmp_path: Path) -> None:
    assert len({shared_token(tmp_path) for _ in range(5)}) == 1


def test_in_memory_each_process_has_its_own() -> None:
    assert shared_token(None) != shared_token(None)


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        shared_token(tmp_path)
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / TOKEN_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [TOKEN_FILE]


def test_workers_that_start_at_once_agree(tmp_path: Path) -> None:
    barrier, found = threading.Barrier(16), []

    def worker() -> None:
        barrier.wait()
        found.append(shared_token(tmp_path))

    threads = [threading.Thread(target=worker) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == [TOKEN_FILE]


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    shared_token(tmp_path)
    (tmp_path / TOKEN_FILE).chmod(0o644)
    with pytest.raises(StoreError, match=r"mode 0644.*0600.*PERFKIT_TOKEN"):
        shared_token(tmp_path)


def test_an_empty_file_is_refused_and_its_content_never_shown(tmp_path: Path) -> None:
    path = tmp_path / TOKEN_FILE
    path.write_text("short-secret")
    path.chmod(0o600)
    with pytest.raises(StoreError, match="12 characters") as raised:
        shared_token(tmp_path)
    assert "short-secret" not in str(raised.value)


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("x" * 32)
    (tmp_path / "elsewhere").chmod(0o600)
    (tmp_path / TOKEN_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        shared_token(tmp_path)


def test_the_ready_url_opens_the_dashboard() -> None:
    assert ready_url("http://127.0.0.1:8000", "/perfkit", "abc") == "http://127.0.0.1:8000/perfkit/?t=abc"
    assert ready_url("https://a.example/shop/", "/x/perfkit", "abc") == "https://a.example/shop/x/perfkit/?t=abc"


def test_the_url_is_shown_in_development_and_to_a_person_only() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert is_shown("development", io.StringIO())
    assert not is_shown("production", io.StringIO())
    assert is_shown("production", Terminal())
    closed = io.StringIO()
    closed.close()
    assert not is_shown("production", closed)
