"""What the processes of a service use: the sums of all workers, whichever of them answers."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest
from fleet import Fleet, Load, fleet
from patience import until

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

WORKERS = 4
GUNICORN = f"-m gunicorn fleet_wsgi_app:app -b 127.0.0.1:{{port}} -w {WORKERS} --timeout 120"
UVICORN_WORKERS = (
    f"-m gunicorn fleet_app:app -b 127.0.0.1:{{port}} -w {WORKERS} -k uvicorn_worker.UvicornWorker --timeout 120"
)
MIB = 2**20


@dataclass
class Use:
    """What the worker processes use, as the kernel tells from outside."""

    cpu: float
    memory: float
    virtual: float
    threads: int
    files: int
    oldest: float


def use(pids: list[int]) -> Use:
    processes = [psutil.Process(pid) for pid in pids]
    times = [process.cpu_times() for process in processes]
    memory = [process.memory_info() for process in processes]
    return Use(
        cpu=sum(each.user + each.system for each in times),
        memory=sum(each.rss for each in memory),
        virtual=sum(each.vms for each in memory),
        threads=sum(process.num_threads() for process in processes),
        files=sum(process.num_fds() for process in processes),
        oldest=min(process.create_time() for process in processes),
    )


def numbers(running: Fleet) -> dict[str, float]:
    """Return the samples without labels."""
    return {name: value for (name, labels), value in running.scrape().items() if not labels}


def labelled(running: Fleet, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    return {labels: value for (metric, labels), value in running.scrape().items() if metric == name}


@contextlib.contextmanager
def busy_fleet(server: str) -> Iterator[Fleet]:
    """Run *server* until each of its workers has served something and is counted."""
    with fleet(server) as running:

        def all_count() -> bool:
            Load(running.port).run(200)
            files = numbers(running).get("process_max_fds", 0.0)
            return files >= WORKERS * _limit(running)

        until(all_count)
        yield running


def _limit(running: Fleet) -> float:
    return float(psutil.Process(running.workers()[0]).rlimit(psutil.RLIMIT_NOFILE)[0])


@pytest.mark.parametrize("server", [GUNICORN, f"{GUNICORN} --threads 4", UVICORN_WORKERS])
def test_sums_are_those_of_all_workers_whichever_answers(server: str) -> None:
    with busy_fleet(server) as running:
        totals = []
        for _ in range(12):
            seen = until(lambda: numbers(running), lambda seen: agrees(seen, use(running.workers()), _limit(running)))
            assert seen["perfkit_cpu_quota_cores"] <= (os.cpu_count() or 1)
            totals.append(seen["process_cpu_seconds_total"])
        assert totals == sorted(totals), "a counter never goes back, whoever answers"


def agrees(seen: dict[str, float], real: Use, limit: float) -> bool:
    """Tell whether a page shows what the workers use; its figures are of the last second."""

    def near(name: str, value: float, part: float) -> bool:
        return abs(seen[name] - value) <= part * value

    return (
        abs(seen["process_cpu_seconds_total"] - real.cpu) <= 0.5 + 0.1 * real.cpu
        and near("process_resident_memory_bytes", real.memory, 0.2)
        and near("process_virtual_memory_bytes", real.virtual, 0.2)
        and abs(seen["process_threads"] - real.threads) <= WORKERS
        and abs(seen["process_open_fds"] - real.files) <= 3 * WORKERS
        and abs(seen["process_start_time_seconds"] - real.oldest) <= 1.0
        and seen["process_max_fds"] == WORKERS * limit
    )


def test_the_collector_s_work_and_python_are_told_for_all() -> None:
    with busy_fleet(GUNICORN) as running:
        collections = labelled(running, "python_gc_collections_total")
        assert {dict(labels)["generation"] for labels in collections} == {"0", "1", "2"}
        ((labels, one),) = labelled(running, "python_info").items()
        assert one == 1.0
        assert dict(labels)["implementation"] in ("CPython", "PyPy")


def test_what_a_killed_worker_used_stays_counted_and_its_memory_goes() -> None:
    with busy_fleet(GUNICORN) as running:
        before = numbers(running)
        victim = running.workers()[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in running.workers() and len(running.workers()) == WORKERS)
        lowest = before["process_cpu_seconds_total"]
        for _ in range(10):
            Load(running.port).run(50)
            seen = numbers(running)["process_cpu_seconds_total"]
            assert seen >= lowest
            lowest = seen
        most = 1.2 * use(running.workers()).memory + 20 * MIB
        until(lambda: numbers(running)["process_resident_memory_bytes"], lambda memory: memory <= most)


def test_the_threads_of_gunicorn_s_worker_are_a_pool() -> None:
    with busy_fleet(f"{GUNICORN} --threads 3") as running:
        gthread = (("pool", "gthread"),)
        until(lambda: labelled(running, "perfkit_thread_pool_threads").get(gthread) == 3.0 * WORKERS)
        busy = labelled(running, "perfkit_thread_pool_busy_threads")[gthread]
        assert 0.0 <= busy <= 3.0 * WORKERS
        assert labelled(running, "perfkit_thread_pool_waiting_tasks")[gthread] >= 0.0


def test_loops_of_all_workers_tell_their_tasks() -> None:
    with busy_fleet(UVICORN_WORKERS) as running:
        main = (("loop", "main"),)
        until(lambda: labelled(running, "perfkit_event_loop_tasks").get(main, 0.0) >= WORKERS)


@pytest.mark.parametrize("server", [GUNICORN, UVICORN_WORKERS])
def test_the_time_in_the_queue_is_measured_by_all_workers(server: str) -> None:
    def ask(running: Fleet) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/items/1", headers={"X-Request-Start": f"t={time.time() - 3.0:.3f}"})
            connection.getresponse().read()
        connection.close()

    with fleet(server) as running:
        assert "perfkit_request_queue_seconds_count" not in numbers(running)

        def measured() -> float:
            for _ in range(10):
                ask(running)
            return numbers(running).get("perfkit_request_queue_seconds_count", 0.0)

        count = until(measured, lambda count: count >= 10.0)
        seen = numbers(running)
        assert seen["perfkit_request_queue_seconds_count"] >= count
        mean = seen["perfkit_request_queue_seconds_sum"] / seen["perfkit_request_queue_seconds_count"]
        assert 2.9 <= mean <= 30.0
