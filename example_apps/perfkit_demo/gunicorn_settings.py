"""How gunicorn serves the shops in Flask and Django. A Python module, because gunicorn skips names it does not know."""

from __future__ import annotations

worker_class = "gthread"

threads = 20
"""Requests at once in one worker: fewer than SQLAlchemy's pool has connections, enough for all problems to show."""

preload_app = True
"""A shop that cannot be made shall end the server before it listens, not start one worker after the other."""

keepalive = 15
loglevel = "warning"

control_socket_disable = True
"""It would lie in the user's home directory; the demo leaves nothing behind."""
