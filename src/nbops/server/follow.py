"""Tell the front ends what any process wrote to a store: the store's own events, by number, emitted as Jupyter events.

A thread asks each store that was looked at for its newest number twice a second; that is one look at an index. Numbers
are given at commit, in order, so whoever asks for those after the last one seen misses none.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from tornado.ioloop import IOLoop

from nbops.core.errors import NbopsError
from nbops.server.places import Places
from nbops.workspace import Workspace

SCHEMA_ID = "https://nbops.dev/events/store"
SCHEMA = f"""
$id: {SCHEMA_ID}
version: "1"
title: nbops store
description: Something was written to an nbops store.
personal-data: false
type: object
required: [seq, noun, name, what, store]
properties:
  seq: {{type: integer, description: the number that the store gave it}}
  noun: {{type: string}}
  name: {{type: string}}
  what: {{type: string}}
  store: {{type: string, description: the store it is of}}
"""
EVERY_S = 0.5
_MOST = 200  # events told one by one; the front end asks for what it has missed
_log = logging.getLogger("nbops")


class Follower:
    """`tell` is called on the server's event loop, once for each event."""

    def __init__(self, places: Places, tell: Callable[[dict[str, Any]], None], loop: IOLoop) -> None:
        self._places, self._tell, self._loop = places, tell, loop
        self._seen: dict[str, int] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="nbops-follow", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join(5.0)

    def _follow(self) -> None:
        while not self._end.wait(EVERY_S):
            for ws in self._places.opened():
                try:
                    self._look(ws)
                except NbopsError as error:  # locked, away, full: told to whoever asks; here we look again
                    _log.debug("following %s: %s", store_name(ws), error)

    def _look(self, ws: Workspace) -> None:
        name = store_name(ws)
        newest = ws.store.newest_event()
        seen = self._seen.setdefault(name, newest)
        if newest < seen:  # another store lies at this place now
            self._seen[name] = newest
        if newest <= seen:
            return
        events = ws.store.events_after(max(seen, newest - _MOST))
        for event in events:
            said = {"seq": event["seq"], "noun": event["noun"], "name": event["name"], "what": event["what"]}
            self._loop.add_callback(self._tell, said | {"store": name})
        self._seen[name] = events[-1]["seq"] if events else newest


def store_name(ws: Workspace) -> str:
    """A store as the wire names it."""
    return ws.store.name
