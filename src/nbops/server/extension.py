"""Joins nbops to a Jupyter server: routes, events, and an orderly end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.utils import url_path_join
from tornado.ioloop import IOLoop

from nbops.automation.worker import Worker
from nbops.pipeline.processes import Processes
from nbops.server.base import Context
from nbops.server.follow import SCHEMA, SCHEMA_ID, Follower
from nbops.server.places import Places
from nbops.server.routes import ROUTES, pattern


def load(serverapp: Any) -> None:
    """Add the routes to a server, and follow the stores that its users look at."""
    context = Context(places=Places(Path(serverapp.root_dir)), processes=Processes())
    base = url_path_join(serverapp.web_app.settings["base_url"], "nbops", "api")
    handlers = [(f"{base}/{pattern(route)}", handler, {"context": context}) for route, handler in ROUTES.items()]
    serverapp.web_app.add_handlers(".*$", handlers)
    serverapp.event_logger.register_event_schema(SCHEMA)

    def tell(event: dict[str, Any]) -> None:
        serverapp.event_logger.emit(schema_id=SCHEMA_ID, data=event)

    follower = Follower(context.places, tell, IOLoop.current())
    follower.start()
    worker = Worker(context.places.workspace("", None)) if serverapp.config.get("Nbops", {}).get("worker") else None
    if worker is not None:  # c.Nbops.worker = True: the schedules of the root's workspace are done by this server
        worker.start()
    _at_the_end(serverapp, context, follower, worker)
    serverapp.log.info("nbops: the side panel's routes are at %s", base)


def _at_the_end(serverapp: Any, context: Context, follower: Follower, worker: Worker | None) -> None:
    """jupyter_server tells extensions of its end only where they are ExtensionApps; ours is a function, so its clean-up
    is extended."""
    cleanup = serverapp.cleanup_extensions

    async def ended() -> None:
        follower.stop()
        await IOLoop.current().run_in_executor(None, context.processes.close)
        if worker is not None:
            await IOLoop.current().run_in_executor(None, worker.stop)
        context.threads.shutdown(wait=False)
        await cleanup()

    serverapp.cleanup_extensions = ended
