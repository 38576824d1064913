"""A running service as the commands ask it: where its paths are, what it may say, and what it means if it does not."""

from __future__ import annotations

import argparse
import http.client
import time
from urllib.parse import SplitResult

from perfkit.cli.arguments import URL_VARIABLE, given_url
from perfkit.cli.console import clean
from perfkit.cli.probing import DASHBOARD, HEALTH, Reply, fetch, reason_of, token_in
from perfkit.core.errors import PerfkitError

__all__ = ["NotAllowedError", "Service", "ServiceError"]

MOST_BYTES = 64 * 1024 * 1024
OVERVIEW = "/api/overview"
METRICS = "/metrics"
LOOPBACK = ("localhost", "::1")


class ServiceError(PerfkitError, OSError):
    """A service cannot be asked: nothing answers, or something else than perfkit."""

    exit_code = 3


class NotAllowedError(PerfkitError, PermissionError):
    """A service does not say it to whoever asks."""

    exit_code = 4


class Service:
    """A running service.

    Attributes:
        name: Host and port, as messages say them.
    """

    def __init__(self, url: SplitResult, *, token: str = "", timeout: float = 10.0) -> None:
        """Ask the service at *url*, its own or its dashboard's; *timeout* is seconds for one answer."""
        self._url, self._token, self._timeout = url, token, timeout
        self._mount: str | None = None
        self.name = url.netloc

    @classmethod
    def of(cls, options: argparse.Namespace) -> Service:
        """Return the service that the *options* of a command name.

        Raises:
            PerfkitError: The file of the token, or the URL of the environment, cannot be used.
        """
        url = given_url(options)
        token = token_in(options.token_file) if options.token_file else ""
        return cls(url, token=token, timeout=options.timeout)

    @property
    def mount(self) -> str:
        """The path of the dashboard, once `overview` has found it; the usual one before."""
        return self._mount if self._mount is not None else f"{self._path}{DASHBOARD}"

    def overview(self, query: str = "") -> bytes:
        """Return the overview as JSON, with the parameters in *query* (``range=1h``).

        Raises:
            ServiceError: It cannot be had.
            NotAllowedError: The service does not allow it, or has no perfkit: it says the same to both.
        """
        places = [self._mount] if self._mount is not None else self._mounts()
        reply = None
        for mount in places:
            reply = self._ask(f"{mount}{OVERVIEW}{f'?{query}' if query else ''}")
            if reply.code == 200:
                self._mount = mount
                return reply.body
            if reply.code != 404:
                break
        assert reply is not None
        raise self._refusal(reply, f"{places[-1]}{OVERVIEW}")

    def metrics(self, format: str) -> bytes:
        """Return the metrics, ``json``, ``csv``, ``prometheus`` or ``openmetrics``.

        Raises:
            ServiceError: They cannot be had.
            NotAllowedError: The service does not allow it.
        """
        path = f"{self.metrics_path}?format={format}"
        reply = self._ask(path)
        if reply.code != 200:
            raise self._refusal(reply, path)
        return reply.body

    def get(self, path: str, *, as_stranger: bool = False) -> Reply:
        """Return what the service answers to *path*, whatever that is.

        Raises:
            ServiceError: It does not answer.
        """
        return self._ask(path, as_stranger=as_stranger)

    @property
    def metrics_path(self) -> str:
        """Where the metrics are: beside the dashboard."""
        return f"{self._path.removesuffix(DASHBOARD)}{METRICS}"

    @property
    def health_path(self) -> str:
        """Where the service tells its health: beside the dashboard, too."""
        return f"{self._path.removesuffix(DASHBOARD)}{HEALTH}"

    @property
    def is_in_the_clear(self) -> bool:
        """Whether what is asked can be read on the way: http to another machine."""
        host = self._url.hostname or ""
        return self._url.scheme == "http" and host not in LOOPBACK and not host.startswith("127.")

    @property
    def _path(self) -> str:
        return self._url.path.rstrip("/")

    def _mounts(self) -> list[str]:
        """Return where the dashboard may be: the path of the URL itself, or the usual one below it."""
        return [DASHBOARD] if not self._path else [self._path, f"{self._path}{DASHBOARD}"]

    def _ask(self, path: str, *, as_stranger: bool = False) -> Reply:
        deadline = time.monotonic() + self._timeout
        token = None if as_stranger else self._token
        while True:
            try:
                reply = fetch(self._url, path, timeout=self._timeout, token=token, most=MOST_BYTES)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise ServiceError(
                    f"{self.name} did not answer ({reason_of(error)}). "
                    "The service must run and be reachable from here. "
                    f"Look at its address, given as URL or in {URL_VARIABLE}."
                ) from None
            if reply.code != 429 or time.monotonic() + 1.0 > deadline:
                return reply
            time.sleep(1.0)

    def _refusal(self, reply: Reply, path: str) -> PerfkitError:
        code = reply.code
        if code in (401, 403, 404):
            return NotAllowedError(
                f"{self.name} answered {path} with {code}. So it does where the token is missing or wrong, and where "
                "no perfkit is. Give the token in PERFKIT_TOKEN or --token-file, and the dashboard as URL; "
                "a service in development needs no token on its own machine."
            )
        if 300 <= code < 400:
            return ServiceError(
                f"{self.name} sends on to {clean(' '.join(reply.all('location')) or 'elsewhere')[:200]}. "
                "Nothing is followed, as the token is for this address alone. Give that address as URL."
            )
        return ServiceError(
            f"{self.name} answered {path} with {code}. It must answer with 200. Look at the service and what is "
            "in front of it."
        )
