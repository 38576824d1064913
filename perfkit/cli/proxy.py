"""`perfkit proxy --to URL --to URL`: a reverse proxy under uvicorn that spreads requests over several servers."""

from __future__ import annotations

import argparse
import ssl
from typing import Any
from urllib.parse import SplitResult, urlsplit

from perfkit.cli.arguments import port, seconds, size

__all__ = ["add_arguments", "run"]


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the options of `perfkit proxy` to *command*."""
    add = command.add_argument
    add(
        "--to",
        action="append",
        required=True,
        type=upstream,
        metavar="URL",
        help="a server, such as http://127.0.0.1:8001; once for each",
    )
    add("--host", default="127.0.0.1", help="address to listen at (127.0.0.1)")
    add("--port", type=port, default=8000, help="port to listen at, 0 for any free one (8000)")
    add("--strategy", default="auto", help="how a server is chosen (auto)")
    add("--check", metavar="PATH", help="ask each server for this path every 5 s whether it is well")
    add(
        "--trust", action="append", default=[], metavar="NETWORK", help="believe the X-Forwarded headers of these peers"
    )
    add("--allow-host", action="append", default=[], metavar="NAME", help="serve only this Host; once for each")
    add("--preserve-host", action="store_true", help="send the client's Host to the servers")
    add("--connect-timeout", type=seconds, default=1.0, metavar="SECONDS", help="until a server is reached (1)")
    add("--response-timeout", type=seconds, default=60.0, metavar="SECONDS", help="until its answer begins (60)")
    add(
        "--max-body",
        type=size,
        default=100 * 1024 * 1024,
        metavar="BYTES",
        help="largest request body, such as 64MB (104857600)",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    from perfkit.core.errors import MissingDependencyError
    from perfkit.load_balancer import LoadBalancer, LoadBalancerSettings
    from perfkit.load_balancer.proxy import Proxy
    from perfkit.load_balancer.proxy.response import parser_type

    parser_type()
    try:
        import uvicorn
    except ImportError:
        raise MissingDependencyError("uvicorn", extra="proxy", wanted_by="It") from None
    settings = LoadBalancerSettings()
    if options.check is not None:
        settings = LoadBalancerSettings(check="http", check_path=options.check)
    balancer = LoadBalancer(options.strategy, settings=settings)
    for server in options.to:
        balancer.add_server(server.netloc, host=server.hostname or "", port=server.port or _default_port(server))
    proxy = Proxy(
        balancer,
        tls=_tls(options.to),
        trusted_proxies=tuple(options.trust),
        allowed_hosts=tuple(name.lower() for name in options.allow_host),
        preserve_host=options.preserve_host,
        connect_timeout=options.connect_timeout,
        response_timeout=options.response_timeout,
        max_body_bytes=options.max_body,
    )
    config: dict[str, Any] = {"proxy_headers": False, "server_header": False, "date_header": False}
    balancer.start()
    try:
        uvicorn.run(
            proxy,
            host=options.host,
            port=options.port,
            http="httptools",
            access_log=False,
            log_level="warning",
            **config,
        )
    finally:
        balancer.stop()
    return 0


def upstream(text: str) -> SplitResult:
    """Return the parts of a server's URL, for argparse."""
    parts = urlsplit(text)
    try:
        number = parts.port
    except ValueError:
        number = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or number == -1 or parts.username is not None:
        raise argparse.ArgumentTypeError(f"{text!r} is no server; it must be as http://127.0.0.1:8001")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError(f"{text!r} has a path; paths are those of the requests, leave it out")
    return parts


def _default_port(server: SplitResult) -> int:
    return 443 if server.scheme == "https" else 80


def _tls(servers: list[SplitResult]) -> ssl.SSLContext | None:
    """Return how to speak to *servers*; all in the same way, so that nothing meant for TLS goes in the clear."""
    from perfkit.core.errors import LoadBalancerError

    schemes = sorted({server.scheme for server in servers})
    if len(schemes) > 1:
        raise LoadBalancerError(
            "--to names servers by http and by https. All servers of one proxy must speak the same. "
            "Run a second proxy for the others."
        )
    return ssl.create_default_context() if schemes == ["https"] else None
