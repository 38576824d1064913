"""E-mail by SMTP, with the standard library."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Literal

from perfkit.alerts.delivery.receiver import Notification
from perfkit.alerts.delivery.text import body, title
from perfkit.alerts.secret import Secret, secret
from perfkit.core.errors import AlertError, DeliveryError

__all__ = ["Email", "Encryption"]

Encryption = Literal["starttls", "tls", "none"]

PORTS = {"starttls": 587, "tls": 465, "none": 25}


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
            timeout: Seconds for each step.
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

    def __repr__(self) -> str:
        return f"<Email by {self._host}:{self._port}>"

    def deliver(self, notification: Notification) -> None:
        """Send *notification*; see `Receiver`."""
        message = self._message(notification)
        try:
            with self._connect() as server:
                if self._username:
                    server.login(self._username, self._password.reveal())
                refused = server.send_message(message)
        except smtplib.SMTPAuthenticationError as error:
            raise DeliveryError(self._said("did not accept the log-in", error.smtp_code)) from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            is_final = all(code >= 500 for code in codes)
            raise DeliveryError(self._said("refused all recipients", max(codes)), is_final=is_final) from None
        except smtplib.SMTPResponseException as error:
            is_final = error.smtp_code >= 500
            raise DeliveryError(self._said("did not take the mail", error.smtp_code), is_final=is_final) from None
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryError(f"{self._host} cannot be reached: {type(error).__name__}") from None
        if refused and all(code < 500 for code, _ in refused.values()):
            raise DeliveryError(self._said("refused some recipients for now", max(c for c, _ in refused.values())))

    def _said(self, what: str, code: int) -> str:
        return f"the mail server {self._host} {what} ({code})"

    def _connect(self) -> smtplib.SMTP:
        if self._encryption == "tls":
            return smtplib.SMTP_SSL(self._host, self._port, timeout=self._timeout, context=self._tls())
        server = smtplib.SMTP(self._host, self._port, timeout=self._timeout)
        try:
            if self._encryption == "starttls":
                server.starttls(context=self._tls())
        except BaseException:
            server.close()
            raise
        return server

    def _tls(self) -> ssl.SSLContext:
        return self._context or ssl.create_default_context()

    def _message(self, notification: Notification) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = _one_line(title(notification))
        message["From"], message["To"] = self._sender, ", ".join(self._to)
        message["Date"] = formatdate(notification.at, usegmt=True)
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body(notification))
        return message


def _one_line(text: str) -> str:
    """Return *text* without what would end a header: a label's value may come from a request."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:200]
