"""Every route of the adapter kit's app, to be cached."""

from __future__ import annotations

__all__ = ["KEPT"]

KEPT = {
    f"GET {template}": 60.0
    for template in (
        "/hello/{name}",
        "/empty",
        "/refused",
        "/unavailable",
        "/boom",
        "/stream",
        "/broken-stream",
        "/background",
        "/state",
        "/v1/items/{item_id}",
        "/t/{tenant}/items/{item_id}",
    )
}
"""All but `/spans`, whose answer tells whether it was asked."""
