"""A real Prometheus on a free loopback port: it scrapes what it is told to and answers PromQL."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patience import PATIENCE, until
from ports import reserved_port

__all__ = ["PROMETHEUS", "PROMTOOL", "PrometheusServer", "prometheus_server"]

PROMETHEUS = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")

# Loopback is asked for without the proxies that the environment may name.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class PrometheusServer:
    """A running Prometheus."""

    port: int
    log: Path

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of an API answer."""
        query = urllib.parse.urlencode(parameters)
        with _opener.open(f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}", timeout=60) as answer:
            document = json.load(answer)
        assert document["status"] == "success", document
        return document["data"]

    def query(self, promql: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Return the values of an instant query by their labels."""
        result = self.ask("query", query=promql)["result"]
        return {tuple(sorted(each["metric"].items())): float(each["value"][1]) for each in result}

    def wait_for(self, promql: str, is_right: Callable[[dict[Any, float]], bool]) -> Any:
        """Ask until the answer is right, and return it."""
        return until(lambda: self.query(promql), is_right)


@contextlib.contextmanager
def prometheus_server(folder: Path, jobs: list[dict[str, Any]]) -> Iterator[PrometheusServer]:
    """Run Prometheus with the scrape *jobs* every second, its data in *folder*; it is stopped at the end."""
    assert PROMETHEUS is not None
    config, log = folder / "prometheus.json", folder / "prometheus.log"
    # JSON is YAML.
    settings = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
    config.write_text(json.dumps(settings))
    with reserved_port() as port:
        command = [
            PROMETHEUS,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
        try:
            _await_ready(process, port, log)
            yield PrometheusServer(port, log)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(30)


def _await_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up_at = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < give_up_at:
        with contextlib.suppress(OSError, urllib.error.HTTPError):
            if _opener.open(f"http://127.0.0.1:{port}/-/ready", timeout=10).status == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"Prometheus did not come up:\n{log.read_text()[-3000:]}")
