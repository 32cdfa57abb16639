"""URLs as they may be recorded: without credentials, in the user part as in the query."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from nbops.core.redaction import REDACTED, redact_text, secret_name

_SIGNATURES = ("sig", "signature", "key", "token", "credential", "auth", "password", "secret")


def public_url(url: str) -> str:
    """The URL without user and password; secret values of its query replaced; without its fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = "&".join(
        f"{quote(name)}={REDACTED if _secret(name) else quote(redact_text(value), safe='[]')}"
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    )
    return redact_text(urlunsplit((parts.scheme, host, parts.path, "", ""))) + (f"?{query}" if query else "")


def request_url(connection: Any, data: Any) -> str | None:
    """The URL of what an ``http.client`` connection sends; None if it is no head of a request."""
    if not isinstance(data, (bytes, bytearray)):
        return None
    words = bytes(data[:8000]).split(b"\r\n", 1)[0].split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/"):
        return None
    target = words[1].decode("ascii", "replace")
    if "://" in target:  # through a proxy
        return target
    scheme = "https" if getattr(connection, "default_port", 80) == 443 else "http"
    port = "" if connection.port in (None, connection.default_port) else f":{connection.port}"
    return f"{scheme}://{connection.host}{port}{target}"


def _secret(name: str) -> bool:
    lowered = name.lower()
    return secret_name(name) or any(lowered.endswith(word) for word in _SIGNATURES)
