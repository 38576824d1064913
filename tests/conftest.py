"""What all tests share: how far property tests look, and that a skip is an error where skips are forbidden."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings
from mariadb_server import MARIADB, MariaDBServer, mariadb_server
from postgres_server import POSTGRES, PostgresServer, postgres_server
from schedulers import schedulers

from perfkit.core.spans import PRODUCERS, expect_spans, set_exchange
from perfkit.system import PerformanceSystem

pytest.register_assert_rewrite("asgi_peer", "hostile")

NO_SKIP = os.environ.get("PERFKIT_NO_SKIP") == "1"

# Time is no verdict on a busy machine, and what fails once must fail again: no deadline, and the examples follow from
# the test's own code. `pytest --hypothesis-profile=quick` is for the loop at the desk, `searching` looks for new ones.
settings.register_profile(
    "thorough", max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=10)
settings.register_profile(
    "searching",
    max_examples=1000,
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("thorough")

# A shell that starts the tests in the background has Ctrl-C ignored, and what they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "process: starts processes that work or die for a while; not in make check")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"PERFKIT_NO_SKIP=1 forbids skips, but this test was skipped. {reason}"
    return report


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def system() -> Iterator[PerformanceSystem]:
    """A system for the test alone, in memory; stopped at the end."""
    system = PerformanceSystem(environment="testing")
    yield system
    system.stop()


@pytest.fixture
def no_thread_stays() -> Iterator[None]:
    """Whatever the test starts has ended when it ends."""
    before = set(schedulers())
    yield
    if set(schedulers()) - before:
        gc.collect()
    assert not set(schedulers()) - before


@pytest.fixture(autouse=True)
def no_exchange_stays() -> Iterator[None]:
    """An exchange that a test left open in its own thread would be the next one's."""
    yield
    set_exchange(None)


@pytest.fixture
def spans_expected() -> Iterator[None]:
    """Exchanges are opened for spans, as where a component is on that adds them."""
    before = PRODUCERS[:]
    expect_spans("tests")
    yield
    PRODUCERS[:] = before


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL for all tests; take a database of your own from it."""
    if POSTGRES is None:
        pytest.skip("PostgreSQL is missing: apt-get install postgresql-15 postgresql-15-hypopg")
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDBServer]:
    """A MariaDB for all tests; take a database of your own from it."""
    if MARIADB is None:
        pytest.skip("MariaDB is missing: apt-get install mariadb-server")
    with mariadb_server() as server:
        yield server
