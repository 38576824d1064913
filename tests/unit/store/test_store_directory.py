"""Where the files are put, that they are ours alone, and who cleans up."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest

from perfkit.core.errors import StoreError
from perfkit.core.families import Definition, MetricType
from perfkit.store import Store, StoreSettings
from perfkit.store.backing import directory, identity
from perfkit.store.backing.directory import choose_root, configured_directory, server_directory
from perfkit.store.backing.identity import Server, find_server, has_ended, namespace, start_time
from perfkit.store.lock import directory_lock, is_held

HITS = Definition(name="hits_total", type=MetricType.COUNTER)


def me() -> Server:
    started = start_time(os.getpid())
    assert started is not None
    return Server(os.getpid(), started, namespace())


def gone() -> Server:
    return Server(2**22 + 1, 5, namespace())


def age(path: Path, seconds: float) -> None:
    for each in (*path.iterdir(), path):
        at = each.stat().st_mtime - seconds
        os.utime(each, (at, at))


def test_shared_memory_is_used_where_there_is_enough_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(directory, "SHARED_MEMORY", tmp_path)
    assert choose_root() == tmp_path
    monkeypatch.setattr(directory, "ENOUGH", 2**80)
    assert choose_root() == Path(tempfile.gettempdir())
    monkeypatch.setattr(directory, "SHARED_MEMORY", tmp_path / "missing")
    assert choose_root() == Path(tempfile.gettempdir())


def test_each_service_file_and_server_has_a_directory_of_its_own(tmp_path: Path) -> None:
    later = Server(os.getpid(), me().started + 1, namespace())
    found = {
        server_directory(tmp_path, server, service, origin)
        for server in (me(), later)
        for service in ("shop", "blog")
        for origin in ("/a.py", "/b.py")
    }
    assert len(found) == 8
    assert server_directory(tmp_path, me(), "shop", "/a.py") in found


def test_the_directory_is_ours_alone(tmp_path: Path) -> None:
    made = server_directory(tmp_path, me(), "shop", "/a.py")
    assert made.parent.name == f"perfkit-{os.geteuid()}"
    for path in (made, made.parent):
        assert path.stat().st_mode & 0o7777 == 0o700


@pytest.mark.parametrize("trap", ["symlink", "mode", "file"])
def test_a_directory_that_is_not_ours_alone_is_refused(tmp_path: Path, trap: str) -> None:
    base = tmp_path / f"perfkit-{os.geteuid()}"
    if trap == "symlink":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        base.symlink_to(tmp_path / "elsewhere")
    elif trap == "mode":
        base.mkdir(mode=0o777)
        base.chmod(0o777)
    else:
        base.write_text("")
    with pytest.raises(StoreError, match="not a directory of ours alone"):
        server_directory(tmp_path, me(), "shop", "/a.py")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    base = tmp_path / f"perfkit-{os.geteuid()}"
    base.mkdir(mode=0o700)
    os.chown(base, 12345, 12345)
    with pytest.raises(StoreError, match="owner 12345"):
        server_directory(tmp_path, me(), "shop", "/a.py")


def test_leftovers_of_a_server_that_is_gone_are_removed(tmp_path: Path) -> None:
    left = server_directory(tmp_path, gone(), "shop", "/a.py")
    (left / "w-1.val").write_bytes(b"x")
    server_directory(tmp_path, me(), "shop", "/a.py")
    assert not left.exists()


def test_what_somebody_uses_is_not_removed_even_if_its_server_is_gone(tmp_path: Path) -> None:
    left = server_directory(tmp_path, gone(), "shop", "/a.py")
    store = Store(StoreSettings(directory=str(left)))
    store.open()
    server_directory(tmp_path, me(), "shop", "/a.py")
    assert left.exists()
    store.close()
    server_directory(tmp_path, me(), "blog", "/a.py")
    assert not left.exists()


def test_leftovers_of_a_living_server_stay(tmp_path: Path) -> None:
    own = server_directory(tmp_path, me(), "shop", "/a.py")
    server_directory(tmp_path, me(), "blog", "/a.py")
    assert own.exists()


def test_leftovers_of_another_pid_namespace_stay_for_an_hour(tmp_path: Path) -> None:
    foreign = server_directory(tmp_path, Server(1, 5, 42), "shop", "/a.py")
    nameless = server_directory(tmp_path, Server(1, 6, 42), "shop", "/a.py")
    (nameless / "server.json").write_bytes(b"?")
    age(foreign, 3500)
    server_directory(tmp_path, me(), "shop", "/1.py")
    assert foreign.exists()
    age(foreign, 200)
    server_directory(tmp_path, me(), "shop", "/2.py")
    assert not foreign.exists()
    assert nameless.exists()


def test_ones_own_directory_is_never_cleared(tmp_path: Path) -> None:
    own = server_directory(tmp_path, gone(), "shop", "/a.py")
    (own / "w-1.val").write_bytes(b"x")
    age(own, 10_000)
    assert server_directory(tmp_path, gone(), "shop", "/a.py") == own
    assert (own / "w-1.val").exists()


def test_a_configured_directory_is_used_as_it_is(tmp_path: Path) -> None:
    wanted = tmp_path / "a" / "b"
    assert configured_directory(str(wanted)) == wanted
    assert wanted.is_dir()


def test_counters_in_a_configured_directory_go_on_over_restarts(tmp_path: Path) -> None:
    for run in range(1, 4):
        store = Store(StoreSettings(directory=str(tmp_path)))
        store.open()
        store.add(store.row(HITS), 1)
        assert store.families({"hits_total"})[0].points[0].value == run
        store.close()


def test_a_process_by_itself_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_forking_parent", lambda: None)
    assert find_server() is None
    store = Store()
    store.open()
    assert (store.is_open, store.is_shared, store.degraded) == (True, False, "")
    store.close()


def test_where_the_parents_vector_is_secret_gunicorn_or_the_command_line_tells(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parent = os.getppid()
    for pid, line in ((str(parent), b"gunicorn\0app"), ("self", b"gunicorn\0app")):
        (tmp_path / pid / "ns").mkdir(parents=True)
        (tmp_path / pid / "auxv").write_bytes(b"")
        (tmp_path / pid / "cmdline").write_bytes(line)
        (tmp_path / pid / "stat").write_bytes(b"1 (a (b) c) S " + b"0 " * 18 + b"77 0 0")
    monkeypatch.setattr(identity, "PROC", tmp_path)
    monkeypatch.setattr(identity, "_maker", lambda: None)
    assert find_server() == Server(parent, 77, 0)
    (tmp_path / "self" / "cmdline").write_bytes(b"renamed")
    assert find_server() is None
    monkeypatch.setitem(sys.modules, "gunicorn.arbiter", sys)
    assert find_server() == Server(parent, 77, 0)


def test_uwsgi_names_its_master(monkeypatch: pytest.MonkeyPatch) -> None:
    class Uwsgi:
        @staticmethod
        def masterpid() -> int:
            return os.getppid()

    monkeypatch.setattr(identity, "_forking_parent", lambda: None)
    monkeypatch.setattr(identity, "_maker", lambda: None)
    monkeypatch.setitem(sys.modules, "uwsgi", Uwsgi)  # type: ignore[arg-type]
    found = find_server()
    assert found is not None
    assert found.pid == os.getppid()


def test_a_later_process_of_the_same_pid_is_another_server() -> None:
    assert not has_ended(me())
    assert has_ended(Server(os.getpid(), me().started - 1, namespace()))
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
        assert start_time(child.pid) is None


def test_server_file_says_who_it_was(tmp_path: Path) -> None:
    own = server_directory(tmp_path, me(), "shop", "/a.py")
    assert msgspec.json.decode((own / "server.json").read_bytes(), type=Server) == me()


def test_a_directory_removed_before_it_is_locked_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []

    def directory_once_removed(path: str) -> Path:
        made = configured_directory(path)
        calls.append(made)
        if len(calls) == 1:
            made.rmdir()
        return made

    monkeypatch.setattr(directory, "configured_directory", directory_once_removed)
    store = Store(StoreSettings(directory=str(tmp_path / "x")))
    store.open()
    assert (store.is_shared, len(calls)) == (True, 2)
    store.close()


def test_two_threads_exclude_each_other_and_so_do_two_opens(tmp_path: Path) -> None:
    with directory_lock(tmp_path / "lock"):
        assert is_held(tmp_path / "lock")
        with pytest.raises(StoreError, match="Look for a stopped worker"), directory_lock(tmp_path / "lock", 0.02):
            pass
    assert not is_held(tmp_path / "lock")
    assert not is_held(tmp_path / "missing")
