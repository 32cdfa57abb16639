"""What every handler is: known user, allowed action, one function called off the event loop, errors in our words."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar

from jupyter_server.auth import IdentityProvider, PasswordIdentityProvider
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.ioloop import IOLoop

from nbops.core.canonical import decode
from nbops.core.errors import NbopsError, RefusedError, UsageError
from nbops.core.wire import json_safe, to_json
from nbops.pipeline.processes import Processes
from nbops.server.permissions import READ, Permission
from nbops.server.places import Places
from nbops.workspace import Workspace

THREADS = 4
MOST = 1000
"""Things that one page of a list may have."""
_LARGEST = 2**63 - 1  # that a database holds as a whole number


@dataclass(frozen=True)
class Context:
    """What the handlers of one server share."""

    places: Places
    processes: Processes
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="nbops")
    )


class Handler(APIHandler):
    """Base of all. `needs` says what each method asks of the authorizer; a method that isn't there is refused."""

    needs: ClassVar[dict[str, Permission]] = {"GET": READ}
    auth_resource = "nbops"

    def initialize(self, context: Context) -> None:
        self.context = context

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler has it
        """Every route is refused to the unknown and to those whom the authorizer doesn't allow it."""
        await super().prepare()
        if self._finished:
            return
        if self.current_user is None:
            raise web.HTTPError(403, "log in first, or give the server's token")
        needed = self.needs.get(self.request.method or "")
        if needed is None:
            raise web.HTTPError(405)
        if not await self.allowed(needed):
            raise web.HTTPError(
                403, f"{self.current_user.username!r} may not {needed.action} {needed.resource} on this server"
            )

    async def allowed(self, permission: Permission) -> bool:
        asked = self.authorizer.is_authorized(self, self.current_user, permission.action, permission.resource)
        return bool(await asked if isinstance(asked, Awaitable) else asked)

    @property
    def identity(self) -> str | None:
        """The user's name; None on a personal server, whose token says nothing of who holds it: then it is the name
        that the server runs under."""
        if type(self.identity_provider) in (IdentityProvider, PasswordIdentityProvider):
            return None
        return str(self.current_user.username)

    @property
    def path(self) -> str:
        return str(self.get_query_argument("path", ""))

    @property
    def places(self) -> Places:
        return self.context.places

    async def answer(self, function: Callable[[Workspace], Any], status: int = 200) -> None:
        """Call `function` with the workspace that is meant, in a thread, and write what it returns."""

        def called() -> Any:
            return json_safe(function(self.places.workspace(self.path, self.identity)))

        said = await IOLoop.current().run_in_executor(self.context.threads, called)
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(said, ensure_ascii=False).replace("</", "<\\/"))

    def body(self, **wanted: type | tuple[type, ...]) -> dict[str, Any]:
        """The request's JSON object: only the `wanted` keys, each None or of its type.

        Raises
        ------
        UsageError
        """
        try:
            data = decode(json.loads(self.request.body or b"{}"))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"the request's body is no JSON: {error}") from None
        if not isinstance(data, dict):
            raise UsageError("the request's body must be a JSON object")
        for key, value in data.items():
            if key not in wanted:
                raise UsageError(f"{key!r} is not expected here; known: {', '.join(wanted)}")
            if (value is not None and not isinstance(value, wanted[key])) or (type(value) is int and not _held(value)):
                raise UsageError(f"{key!r} can't be {value!r:.80}")
        return {key: data.get(key) for key in wanted}

    def whole(self, name: str, default: int) -> int:
        """A whole number of the query."""
        text = self.get_query_argument(name, "") or str(default)
        try:
            number = int(text)
        except ValueError:
            raise UsageError(f"{name}={text!r:.80} is no whole number") from None
        if not _held(number):
            raise UsageError(f"{name}={text!r:.80} is too large")
        return number

    def truth(self, name: str, default: bool) -> bool:
        text = self.get_query_argument(name, "") or str(default)
        if text.lower() not in ("true", "false", "1", "0"):
            raise UsageError(f"{name}={text!r} is neither true nor false")
        return text.lower() in ("true", "1")

    def page(self, items: list[Any]) -> dict[str, Any]:
        """A page of a list that is short enough to be read whole."""
        limit, offset = self.whole("limit", 100), self.whole("offset", 0)
        if not 1 <= limit <= MOST or offset < 0:
            raise UsageError(f"a page has 1 to {MOST:,} things and begins at 0 or later, not {limit} from {offset}")
        return {"items": items[offset : offset + limit], "total": len(items), "limit": limit, "offset": offset}

    def write_error(self, status_code: int, **said: Any) -> None:
        """Our errors keep their sentence; what is nobody's mistake is logged whole and told briefly."""
        error = (said.get("exc_info") or (None, None, None))[1]
        detail: dict[str, Any] = {}
        name = type(error).__name__ if error is not None else "Error"
        if isinstance(error, NbopsError):
            status_code, message = error.http_status, str(error)
            if isinstance(error, RefusedError):
                detail = {"promotion": json_safe(to_json(error.promotion))}
        elif isinstance(error, web.HTTPError):
            message = error.log_message or error.reason or ""
        else:
            message = "nbops met an error of its own; the server's log has it"
        self.set_status(status_code)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"message": message, "error": name, "detail": detail}, ensure_ascii=False))

    def log_exception(self, *failure: Any) -> None:
        if not isinstance(failure[1], NbopsError):  # a user's mistake is told to the user
            super().log_exception(*failure)


def _held(number: int) -> bool:
    """Whether a store can hold it."""
    return abs(number) <= _LARGEST
