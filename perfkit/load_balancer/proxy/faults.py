"""How an exchange through the proxy can fail, and what the client reads of it: a reason, nothing of the inside."""

from __future__ import annotations

from perfkit.core.errors import PerfkitError

__all__ = ["ClientGone", "ConnectFailed", "Refused", "TooSlow", "UpstreamBroken", "UpstreamFault"]


class Refused(PerfkitError):  # noqa: N818 - said as what happened
    """The request cannot be passed on as it is; the client's fault, or nobody is there to take it."""

    def __init__(self, status: int, reason: str) -> None:
        """Answer with *status* and *reason*."""
        super().__init__(f"{status}: {reason}")
        self.status, self.reason = status, reason


class ClientGone(PerfkitError):  # noqa: N818 - said as what happened
    """Nobody waits for the answer any more."""


class UpstreamFault(PerfkitError):  # noqa: N818 - said as what happened
    """A server did not answer as it should."""

    status = 502
    reason = "the server behind gave no valid answer"


class ConnectFailed(UpstreamFault):
    """No connection to the server: the request never left."""

    reason = "the server behind cannot be reached"


class TooSlow(UpstreamFault):
    """The server took too long."""

    status = 504
    reason = "the server behind took too long"


class UpstreamBroken(UpstreamFault):
    """The connection ended too early, or what came is no HTTP.

    Attributes:
        is_stale: A kept connection ended before any byte of an answer: most probably the server closed it while idle.
    """

    def __init__(self, message: str, *, is_stale: bool = False) -> None:
        """Say what happened."""
        super().__init__(message)
        self.is_stale = is_stale
