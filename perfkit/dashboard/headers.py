"""The headers of every answer of the dashboard."""

from __future__ import annotations

__all__ = ["ASSET_HEADERS", "CONTENT_SECURITY_POLICY", "SECURITY_HEADERS"]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

_GUARDS: tuple[tuple[str, str], ...] = (
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ("x-robots-tag", "noindex"),
)

SECURITY_HEADERS: tuple[tuple[str, str], ...] = (*_GUARDS, ("cache-control", "no-store"))
"""For pages and JSON: they show the service's inside, so nothing between may keep them."""

ASSET_HEADERS: tuple[tuple[str, str], ...] = (
    *_GUARDS,
    ("cache-control", "private, max-age=31536000, immutable"),
)
"""For assets: their name carries the hash of their content, so they never change."""
