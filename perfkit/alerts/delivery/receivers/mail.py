"""E-mail by SMTP, with the standard library."""

from __future__ import annotations

import contextlib
import io
import smtplib
import socket
import ssl
import time
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Literal

from perfkit.alerts.delivery.receiver import Notification
from perfkit.alerts.delivery.receivers.deadline import Until
from perfkit.alerts.delivery.text import body, one_line, title
from perfkit.alerts.secret import Secret, secret
from perfkit.core.errors import AlertError, DeliveryError

__all__ = ["Email", "Encryption"]

Encryption = Literal["starttls", "tls", "none"]

PORTS = {"starttls": 587, "tls": 465, "none": 25}

WHOLE = 6.0
"""Times the timeout of one step that a delivery may take in all, whatever the server sends meanwhile."""


class Email:
    """Sends each notification as a text mail."""

    kind = "email"

    def __init__(
        self,
        *,
        host: str,
        sender: str,
        to: Sequence[str],
        port: int = 0,
        username: str = "",
        password: Secret | str = "",
        encryption: Encryption = "starttls",
        timeout: float = 10.0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Send by the server *host*.

        Args:
            host: Name of the SMTP server.
            sender: Address in From.
            to: Addresses that get it.
            port: 0: the usual one of *encryption*.
            username: Empty: no log-in.
            password: Sent only over an encrypted connection.
            encryption: ``starttls`` (usual), ``tls`` from the first byte, or ``none``.
            timeout: Seconds for each step; six times that for all of them.
            context: For TLS; None: certificates are verified.

        Raises:
            AlertError: An address is missing or no address, or a password would go over the wire in clear.
        """
        for address in (sender, *to):
            if "@" not in address or any(ord(letter) < 32 for letter in address):
                raise AlertError(
                    f"{address[:80]!r} is no e-mail address. It must look like ops@example.com. Correct it."
                )
        if not to:
            raise AlertError("An e-mail receiver has nobody to write to. It must have addresses. Give them as to.")
        if password and encryption == "none":
            raise AlertError(
                "An e-mail receiver has a password and encryption none. The password would go over the wire in clear. "
                "Use starttls or tls."
            )
        self._host, self._port = host, port or PORTS[encryption]
        self._sender, self._to = sender, tuple(to)
        self._username = username
        self._password = secret(password)
        self._encryption, self._timeout, self._context = encryption, timeout, context
        self._refused_for_now: tuple[str, tuple[str, ...]] = ("", ())

    def __repr__(self) -> str:
        return f"<Email by {self._host}:{self._port}>"

    def deliver(self, notification: Notification) -> None:
        """Send *notification*; see `Receiver`. Who got it is not written to again while others are tried."""
        text = body(notification)
        to = self._refused_for_now[1] if self._refused_for_now[0] == text else self._to
        try:
            refused = self._send(self._message(notification, text), to)
        except smtplib.SMTPAuthenticationError as error:
            raise DeliveryError(self._said("did not accept the log-in", error.smtp_code)) from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            is_final = all(code >= 500 for code in codes)
            raise DeliveryError(self._said("refused all recipients", max(codes)), is_final=is_final) from None
        except smtplib.SMTPResponseException as error:
            is_final = error.smtp_code >= 500
            raise DeliveryError(self._said("did not take the mail", error.smtp_code), is_final=is_final) from None
        except UnicodeError:
            what = "a user name or password with other letters than ASCII"
            raise DeliveryError(f"{what} cannot be sent to the mail server {self._host}", is_final=True) from None
        except (TimeoutError, smtplib.SMTPServerDisconnected):
            raise DeliveryError(f"the mail server {self._host} broke off, or did not answer in time") from None
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryError(f"{self._host} cannot be reached: {type(error).__name__}") from None
        later = tuple(address for address, (code, _) in refused.items() if code < 500)
        self._refused_for_now = (text, later) if later else ("", ())
        if later:
            raise DeliveryError(self._said("refused some recipients for now", max(refused[each][0] for each in later)))

    def _send(self, message: EmailMessage, to: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Send *message* to some; return who of them was refused."""
        server = self._connect()
        try:
            if self._username:
                server.login(self._username, self._password.reveal())
            refused = server.send_message(message, to_addrs=to)
            # It was taken: what the server makes of the goodbye must not have it sent twice.
            with contextlib.suppress(OSError):
                server.quit()
            return refused
        finally:
            server.close()

    def _said(self, what: str, code: int) -> str:
        return f"the mail server {self._host} {what} ({code})"

    def _connect(self) -> smtplib.SMTP:
        until = time.monotonic() + WHOLE * self._timeout
        if self._encryption == "tls":
            return _TlsServer(self._host, self._port, timeout=self._timeout, until=until, context=self._tls())
        server = _Server(self._host, self._port, timeout=self._timeout, until=until)
        try:
            if self._encryption == "starttls":
                server.starttls(context=self._tls())
        except BaseException:
            server.close()
            raise
        return server

    def _tls(self) -> ssl.SSLContext:
        return self._context or ssl.create_default_context()

    def _message(self, notification: Notification, text: str) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = one_line(title(notification))
        message["From"], message["To"] = self._sender, ", ".join(self._to)
        message["Date"] = formatdate(notification.at, usegmt=True)
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        return message


class _Patient:
    """What makes a connection of smtplib end at a deadline: a server may send a byte now and then for ever."""

    _until: float
    file: io.BufferedReader | None
    sock: socket.socket | None
    timeout: float

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(Until(self.sock, self._until, step=self.timeout))
        return super().getreply()  # type: ignore[misc,no-any-return]  # smtplib's, whose mixin this is


class _Server(_Patient, smtplib.SMTP):
    def __init__(self, host: str, port: int, *, timeout: float, until: float) -> None:
        self._until = until
        super().__init__(host, port, timeout=timeout)


class _TlsServer(_Patient, smtplib.SMTP_SSL):
    def __init__(self, host: str, port: int, *, timeout: float, until: float, context: ssl.SSLContext) -> None:
        self._until = until
        super().__init__(host, port, timeout=timeout, context=context)
