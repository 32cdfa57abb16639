"""The OpenAPI description of all this."""

from __future__ import annotations

from pathlib import Path

from nbops.server.base import Handler

FILE = Path(__file__).parents[1] / "openapi.yaml"


class Contract(Handler):
    async def get(self) -> None:
        self.set_header("Content-Type", "application/yaml")
        self.finish(FILE.read_bytes())
