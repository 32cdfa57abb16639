"""What another process writes reaches who listens to the server's event stream, by itself and in order."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any

import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from nbops.server.follow import SCHEMA_ID

pytestmark = pytest.mark.xdist_group("server")

WRITER = """
import sys
from pathlib import Path
from nbops.workspace import open_workspace
ws = open_workspace(Path(sys.argv[1]), environ={})
for i in range(5):
    with ws.store.transaction() as tx:
        tx.event("elsewhere", f"thing {i}", "made")
"""


def test_a_write_of_another_process_is_emitted(server: Any) -> None:
    assert server.ask("store").status == 200  # from now on this store is followed
    time.sleep(1.2)  # it is looked at twice a second

    async def heard() -> list[dict[str, Any]]:
        address = server.url.replace("http", "ws") + "/api/events/subscribe"
        request = HTTPRequest(address, headers={"Authorization": f"token {server.token}"})
        stream = await websocket_connect(request)
        writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, str(server.root))
        found: list[dict[str, Any]] = []
        try:
            while len(found) < 5:
                message = await asyncio.wait_for(stream.read_message(), 60)
                assert message is not None
                event = json.loads(message)
                if event.get("schema_id") == SCHEMA_ID and event.get("noun") == "elsewhere":
                    found.append(event)
        finally:
            stream.close()
            assert await writer.wait() == 0
        return found

    events = asyncio.run(heard())
    assert [(e["name"], e["what"]) for e in events] == [(f"thing {i}", "made") for i in range(5)]
    numbers = [e["seq"] for e in events]
    assert numbers == sorted(numbers)
    assert {e["store"] for e in events} == {server.ask("store").json["store"]}


def test_a_stranger_hears_nothing(server: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import urllib.request, sys; urllib.request.urlopen(sys.argv[1])",
         f"{server.url}/api/events/subscribe"], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "403" in done.stderr
