"""Apache with mod_wsgi in daemon mode: its processes count as one service, as those of any other server."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from doc_pages import blocks, text
from fleet import HERE, ROOT, Fleet, Load, started
from fleet_deaths import survive_deaths
from patience import until

APACHE = shutil.which("apache2", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
MODULES = Path(APACHE).parents[1] / "lib" / "apache2" / "modules" if APACHE else Path()
MODULE = MODULES / f"mod_wsgi.so-{sys.version_info.major}.{sys.version_info.minor}"
"""Debian's name of the module for this very version of Python: the extensions of the environment fit no other."""

pytestmark = [
    pytest.mark.server,
    pytest.mark.acceptance,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not MODULE.exists(),
        reason="mod_wsgi for this version of Python is missing: install apache2 and libapache2-mod-wsgi-py3",
    ),
    pytest.mark.skipif(
        os.geteuid() == 0 and not all(each.stat().st_mode & 0o001 for each in (ROOT, *ROOT.parents)),
        reason=f"mod_wsgi does not run as root, and nobody else may read {ROOT}: run it elsewhere or as a user",
    ),
]

CONFIGURATION = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/pid
ErrorLog /dev/stderr
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {module}
User nobody
Group #{group}
WSGISocketPrefix {folder}/wsgi
{of_the_page}
<Directory {folder}>
    Require all granted
</Directory>
"""

APPS = {
    "flask": ("from fleet_wsgi_app import app as application", "/items/<item_id>"),
    "django": ("from django_fleet import application", "/items/<int:item_id>"),
}
EXECUTE = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that whom Apache becomes may read, too."""
    with tempfile.TemporaryDirectory(prefix="mod-wsgi-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _of_the_page(folder: Path, python_path: str) -> str:
    """Return what the documentation says, for the app in *folder* and the present environment."""
    (block,) = [each.code for each in blocks(text("docs/tutorials/wsgi.md")) if each.language == "apache"]
    # The module brings a Python of its own, which need not be the one that the environment was made with.
    here = block.replace("python-home=/srv/hello/venv python-path=/srv/hello", f"python-path={python_path}")
    here = here.replace("/srv/hello/app.wsgi", f"{folder}/app.wsgi")
    assert "/srv/" not in here
    return here


@contextlib.contextmanager
def apache(app: str, folder: Path) -> Iterator[Fleet]:
    (folder / "app.wsgi").write_text(APPS[app][0])
    configuration = folder / "apache.conf"
    paths = [HERE, ROOT, ROOT / "integrations", sysconfig.get_path("purelib")]
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder,
            modules=MODULES,
            module=MODULE,
            group=pwd.getpwnam("nobody").pw_gid,
            of_the_page=_of_the_page(folder, os.pathsep.join(map(str, paths))),
        )
    )
    arguments = ["-c", EXECUTE, str(APACHE), "-C", "Listen 127.0.0.1:{port}", "-f", str(configuration), "-DFOREGROUND"]
    with started(arguments, {}) as running:
        yield running


@pytest.mark.parametrize("app", APPS)
def test_requests_are_counted_exactly_whichever_process_answers(app: str, folder: Path) -> None:
    with apache(app, folder) as running:
        load = Load(running.port).run(20_000)
        assert load.acknowledged == 20_000
        running.settle()
        answers = {running.counted(APPS[app][1]) for _ in range(12)}
        assert len(answers) == 1, answers
        assert load.explains(answers.pop())


def test_a_graceful_restart_keeps_the_totals(folder: Path) -> None:
    with apache("flask", folder) as running:
        route = APPS["flask"][1]
        before = Load(running.port).run(1000)
        old = set(running.workers())
        running.signal(signal.SIGUSR1)
        until(running.workers, lambda found: found and not set(found) & old)
        kept = running.counted(route)
        assert before.explains(kept)
        after = Load(running.port).run(500)
        running.settle()
        assert after.explains(running.counted(route), others=kept)


def test_killed_processes_lose_nothing_that_was_answered_and_no_counter_goes_back(folder: Path) -> None:
    with apache("flask", folder) as running:
        survive_deaths(running, "/items/{number}", APPS["flask"][1], seconds=10.0, scrapes=200)
