"""Who may what: every route, every method; and that the description of the routes is theirs."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from typing import Any

import pytest

from nbops.server.base import Handler
from nbops.server.permissions import READ
from nbops.server.routes import ROUTES, pattern

pytestmark = pytest.mark.xdist_group("server")

METHODS = [(route, method) for route, handler in ROUTES.items() for method in handler.needs]


def filled(route: str) -> str:
    return re.sub(r"\{\w+\}", "1", route)


def test_every_method_says_what_it_needs_and_reads_only_read() -> None:
    for route, handler in ROUTES.items():
        for method in ("get", "post", "delete", "put", "patch"):
            own = any(method in cls.__dict__ for cls in handler.__mro__[: handler.__mro__.index(Handler)])
            assert own or method.upper() not in handler.needs, (route, method)
        assert handler.needs.get("GET", READ) == READ
        assert all(
            needed != READ for method, needed in handler.needs.items() if method != "GET" and "check" not in route
        )


@pytest.mark.parametrize(("route", "method"), METHODS)
def test_nobody_unknown_and_nobody_without_the_right(team: Any, route: str, method: str) -> None:
    body = None if method == "GET" else {}
    unknown = team.ask(filled(route), body, method=method, token="")
    assert unknown.status == 403, unknown.content
    refused = team.ask(filled(route), body, method=method, token="nobody-token")
    assert refused.status == 403
    assert "may not" in refused.json["message"]
    needed = ROUTES[route].needs[method]
    if needed != READ:
        reader = team.ask(filled(route), body, method=method, token="guest-token")
        assert reader.status == 403
        assert needed.resource in reader.json["message"]
    assert team.ask(filled(route), body, method=method, token="boss-token").status != 403


def test_two_people_one_asks_the_other_agrees(team: Any) -> None:
    assert team.ask("store", token="guest-token").json["can"] == dict.fromkeys(
        ("write", "promote", "approve", "rollback", "delete"), False
    )
    assert team.ask("store", token="anna-token").json["identity"] == "anna"
    may = team.ask("store", token="anna-token").json["can"]
    assert (may["promote"], may["approve"], may["delete"]) == (True, False, False)


def test_the_servers_own_token_and_a_browsers_cookie(server: Any) -> None:
    assert server.ask("store", token="").status == 403
    assert server.ask("store", token="wrong").status == 403
    assert server.ask("store").status == 200
    cookies = urllib.request.HTTPCookieProcessor(CookieJar())
    browser = urllib.request.build_opener(cookies)
    browser.open(f"{server.url}/api/status?token={server.token}", timeout=30).close()  # logs in: a cookie
    with browser.open(f"{server.url}/nbops/api/store", timeout=30) as page:
        assert page.status == 200
    with pytest.raises(urllib.error.HTTPError) as refused:  # a write of another site's page has the cookie only
        browser.open(urllib.request.Request(f"{server.url}/nbops/api/tick", data=b"{}"), timeout=30)
    assert refused.value.code == 403
    xsrf = {c.name: c.value for c in cookies.cookiejar}.get("_xsrf")
    if xsrf is None:
        browser.open(f"{server.url}/login", timeout=30).close()
        xsrf = {c.name: c.value for c in cookies.cookiejar}["_xsrf"]
    request = urllib.request.Request(
        f"{server.url}/nbops/api/rollbacks", data=b'{"deployment": "none"}', headers={"X-XSRFToken": str(xsrf)}
    )
    with pytest.raises(urllib.error.HTTPError) as told:
        browser.open(request, timeout=30)
    assert told.value.code == 404  # let through, and answered: there is no such deployment
    for error in (refused.value, told.value):
        error.close()


def test_the_description_has_every_route_and_no_other(server: Any) -> None:
    import yaml

    said = yaml.safe_load(server.ask("openapi.yaml").content)
    described = {
        (path.lstrip("/"), method.upper())
        for path, item in said["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert described == set(METHODS)
    for route, method in METHODS:
        entry = said["paths"][f"/{route}"][method.lower()]
        needed = ROUTES[route].needs[method]
        assert entry["x-permission"] == f"{needed.action} {needed.resource}", (route, method)
        named = {p["name"] for p in said["paths"][f"/{route}"].get("parameters", []) if p.get("in") == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", route)), route


def test_answers_are_as_described(server: Any) -> None:
    import jsonschema
    import yaml

    said = yaml.safe_load(server.ask("openapi.yaml").content)
    looked = 0
    for route in ("store", "events", "events?after=0", "runs", "runs/columns", "models", "pipelines", "deployments",
                  "deployments/taxi/dashboard", "alerts", "decisions", "approvals", "schedules",
                  "notebook?path=none.ipynb"):  # fmt: skip
        answer = server.ask(route)
        assert answer.status == 200, answer.content
        path = next(r for r in ROUTES if re.fullmatch(pattern(r), route.partition("?")[0]))
        schema = said["paths"][f"/{path}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json, {**schema, "components": said["components"]})
        looked += 1
    error = server.ask("models/none")
    jsonschema.validate(error.json, {"$ref": "#/components/schemas/Error", "components": said["components"]})
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({}, {"$ref": "#/components/schemas/Error", "components": said["components"]})
    assert looked == 14
