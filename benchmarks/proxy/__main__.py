"""Throughput of the proxy, beside asgiproxy's and beside the server behind asked directly.

All run under the same uvicorn, in processes of their own, with the same server behind them. Kept connections ask one
after the other; contestants take turns, so that a busy machine is busy for all. Bodies of every size go both ways: a
GET whose answer is as long, a POST as long whose answer is empty. Shown are requests a second (the median of the
rounds), and CPU of the proxy's process for each request (the least of the rounds). The goal is held against the CPU:
one process serves as many requests as its CPU lasts for, and that does not depend on who else is at work.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import psutil

from benchmarks.harness.table import options, print_json, print_rows

CONNECTIONS = 16
GOAL = 1.3
"""Requests for each second of CPU, times those of asgiproxy."""

SIZES = {"empty": 0, "1 KiB": 1024, "64 KiB": 65_536, "256 KiB": 262_144, "8 MiB": 8 * 1024 * 1024}
NAMES = ("behind", "asgiproxy", "ours")


def _get(size: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\nHost: shop\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n" % size


def _post(size: int) -> bytes:
    head = b"POST /0 HTTP/1.1\r\nHost: shop\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
    return head % size + b"y" * size


REQUESTS = {
    **{f"GET, {name}": _get(size) for name, size in SIZES.items()},
    **{f"POST, {name}": _post(size) for name, size in SIZES.items()},
}


class Client(asyncio.Protocol):
    """One kept connection that asks again as soon as an answer is whole."""

    def __init__(self, request: bytes, until: float) -> None:
        """Ask *request* again and again, until the loop's time is *until*."""
        self._request, self._until = request, until
        self._left, self._head = 0, b""
        self.count = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count an answer when it is whole."""
        if not self._left:
            self._head += data
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self.done.set_exception(
                    RuntimeError(f"The answer was {head[:200]!r}. It must be 200. Look at the server.")
                )
                return
            lower = head.lower()
            place = lower.index(b"content-length:") + 15
            self._left = int(lower[place:].split(b"\r\n", 1)[0])
            self._head, data = b"", rest
        self._left -= len(data)
        if self._left:
            return
        self.count += 1
        if time.monotonic() < self._until:
            self._transport.write(self._request)
        elif not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so if that was too early."""
        if not self.done.done():
            self.done.set_exception(RuntimeError("The connection ended. It must be kept. Look at the server."))


async def ask(port: int, request: bytes, seconds: float, connections: int) -> tuple[int, float]:
    """Return the requests that were answered, and the seconds that they took."""
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: Client(request, began + seconds), "127.0.0.1", port)
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    took = time.monotonic() - began
    for client in clients:
        client._transport.close()
    return sum(client.count for client in clients), took


@contextmanager
def running(name: str, upstream: int) -> Iterator[tuple[int, psutil.Process]]:
    """Run the app *name* in a process, yield its port and process."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port = int(holder.getsockname()[1])
        process = subprocess.Popen([sys.executable, "-m", "benchmarks.proxy.apps", name, str(port), str(upstream)])
        try:
            _await_port(port, process)
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(30)


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("A server did not start. Its traceback stands above.")


def measure(rounds: int, seconds: float, kinds: Iterable[str]) -> dict[str, dict[str, tuple[float, float]]]:
    """Return requests a second and CPU microseconds a request, by kind of request and contestant."""
    requests = {kind: REQUESTS[kind] for kind in kinds}
    rates: dict[tuple[str, str], list[float]] = {}
    costs: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        ends = {"behind": stack.enter_context(running("behind", 0))}
        for name in NAMES[1:]:
            ends[name] = stack.enter_context(running(name, ends["behind"][0]))
        for turn in range(rounds + 1):
            for kind, request in requests.items():
                connections = CONNECTIONS // 4 if kind.endswith("MiB") else CONNECTIONS
                for name, (port, process) in ends.items():
                    before = sum(process.cpu_times()[:2])
                    count, took = asyncio.run(ask(port, request, seconds if turn else min(0.3, seconds), connections))
                    if turn:
                        rates.setdefault((kind, name), []).append(count / took)
                        costs.setdefault((kind, name), []).append((sum(process.cpu_times()[:2]) - before) / count * 1e6)
    return {
        kind: {name: (statistics.median(rates[kind, name]), min(costs[kind, name])) for name in NAMES}
        for kind in requests
    }


def main() -> None:
    """Measure and print."""
    arguments = options(__doc__ or "", rounds=7, parts=tuple(REQUESTS)).parse_args()
    kinds = arguments.only or list(REQUESTS)
    found = measure(1, 0.1, kinds) if arguments.quick else measure(arguments.rounds, 1.0, kinds)
    if arguments.json:
        print_json({"requests_per_second_and_cpu_microseconds": found})
        return
    for kind, figures in found.items():
        rows = [["proxy", "requests/s", "× asgiproxy", "× direct", "CPU µs", "requests for its CPU, × asgiproxy", ""]]
        peer, direct = figures["asgiproxy"], figures["behind"]
        for name, (rate, cost) in figures.items():
            times = peer[1] / cost
            told = "" if name != "ours" else ("pass" if times >= GOAL else f"below {GOAL}")
            label = "none: the server itself" if name == "behind" else name
            rows.append(
                [
                    label,
                    f"{rate:.0f}",
                    f"{rate / peer[0]:.2f}",
                    f"{rate / direct[0]:.2f}",
                    f"{cost:.0f}",
                    f"{times:.2f}",
                    told,
                ]
            )
        print_rows(kind, rows, left={0, 6})


if __name__ == "__main__":
    main()
