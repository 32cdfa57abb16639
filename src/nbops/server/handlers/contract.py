"""The OpenAPI description of all this."""

from __future__ import annotations

from importlib import resources

from nbops.server.base import Handler


class Contract(Handler):
    async def get(self) -> None:
        self.set_header("Content-Type", "application/yaml")
        self.finish((resources.files("nbops.server") / "openapi.yaml").read_bytes())
