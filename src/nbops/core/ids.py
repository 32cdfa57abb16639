"""Names for things that happen: runs, promotions, decisions, jobs."""

from __future__ import annotations

import secrets


def new_id() -> str:
    """Sixteen hexadecimal digits, random. Any unambiguous beginning names the thing (as in git)."""
    return secrets.token_hex(8)
