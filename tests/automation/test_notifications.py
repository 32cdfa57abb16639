"""Notifications reach real servers and commands; what fails is said and hurts nothing."""

from __future__ import annotations

import json
import socketserver
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from scheduled import badly, do_all, later, opened, well, wish

from nbops.automation import schedules
from nbops.automation.afterwards import afterwards
from nbops.automation.notify import check_target, doubts
from nbops.core.errors import UsageError
from nbops.workspace import Workspace


class Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Content-Type"], json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(500 if self.path.startswith("/broken") else 200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class Mail(socketserver.StreamRequestHandler):
    """Just enough of RFC 5321."""

    def handle(self) -> None:
        self.say("220 ready")
        for line in self.rfile:
            word = line.decode().strip()
            if word.upper() == "DATA":
                self.say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.got.append(b"".join(lines).decode())  # type: ignore[attr-defined]
            elif word.upper() == "QUIT":
                self.say("221 bye")
                return
            else:
                self.server.said.append(word)  # type: ignore[attr-defined]
            self.say("250 well")

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


def serving(server: Any) -> Iterator[Any]:
    server.got, server.said = [], []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def hook() -> Iterator[Any]:
    yield from serving(ThreadingHTTPServer(("127.0.0.1", 0), Hook))


@pytest.fixture
def mail() -> Iterator[Any]:
    yield from serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail))


def told(ws: Workspace, name: str = "s") -> list[dict[str, Any]]:
    found = schedules.history(ws, name)[0].job
    assert found is not None
    return list(found.result.get("told", []))


def test_a_webhook_is_told_once_when_all_attempts_have_failed(tmp_path: Path, hook: Any) -> None:
    ws = opened(tmp_path)
    url = f"http://127.0.0.1:{hook.server_port}/hook"
    schedules.add(ws, "s", wish(every="1h", retries=1, on_failure=(url,), on_success=(url + "/well",)))
    schedules.run_now(ws, "s")
    do_all(ws, badly)
    afterwards(ws)
    assert hook.got == [], "it is tried again"
    do_all(later(ws, hours=1), badly)
    afterwards(ws)
    afterwards(ws)
    ((path, kind, news),) = hook.got
    assert (path, kind, news["schedule"], news["status"], news["attempt"]) == (
        "/hook",
        "application/json",
        "s",
        "FAILED",
        2,
    )
    assert news["text"].startswith("nbops: schedule s (pipeline train) failed: ValueError: no data")
    assert "hunter2Zq" not in json.dumps(news)
    assert told(ws) == [{"target": url, "sent": True}]
    schedules.run_now(ws, "s")
    do_all(ws, well)
    afterwards(ws)
    assert hook.got[-1][0] == "/hook/well" and hook.got[-1][2]["status"] == "COMPLETED"


def test_mail(tmp_path: Path, mail: Any) -> None:
    toml = f'[pipelines.train.steps.train]\nnotebook = "train.ipynb"\n[notify]\nsmtp = "smtp://127.0.0.1:{mail.server_address[1]}"\n'
    ws = opened(tmp_path, toml=toml + 'sender = "nbops@example.org"\n')
    schedules.add(ws, "s", wish(every="1h", on_failure=("mailto:ops@example.org,boss@example.org",)))
    schedules.run_now(ws, "s")
    do_all(ws, badly)
    afterwards(ws)
    assert told(ws) == [{"target": "mailto:ops@example.org,boss@example.org", "sent": True}]
    assert [w.lower() for w in mail.said if w.upper().startswith(("MAIL", "RCPT"))] == [
        "mail from:<nbops@example.org>",
        "rcpt to:<ops@example.org>",
        "rcpt to:<boss@example.org>",
    ]
    (message,) = mail.got
    assert "Subject: nbops: schedule s" in message and "status: FAILED" in message


def test_a_command_gets_the_news_and_variables_are_the_worker_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = opened(tmp_path)
    script = tmp_path / "tell.py"
    script.write_text("import sys, json\nopen(sys.argv[1], 'w').write(sys.argv[2] + json.load(sys.stdin)['status'])")
    target = f"exec:{sys.executable} {script} ${{PLACE}}"
    schedules.add(
        ws,
        "s",
        wish(every="1h", on_success=(target, "exec:false", "exec:nothing-of-that-name", "http://127.0.0.1:1/x")),
    )
    schedules.run_now(ws, "s")
    monkeypatch.setenv("PLACE", str(tmp_path / "told"))
    do_all(ws, well)
    afterwards(ws)
    assert (tmp_path / "told").read_text() == "nbops: schedule s (pipeline train) completedCOMPLETED"
    assert [t["sent"] for t in told(ws)] == [True, False, False, False]
    assert ["CalledProcessError" in told(ws)[1]["error"], "FileNotFoundError" in told(ws)[2]["error"]] == [True, True]
    assert "refused" in told(ws)[3]["error"]


def test_a_target_that_fails_is_said(tmp_path: Path, hook: Any) -> None:
    ws = opened(tmp_path)
    token = f"http://127.0.0.1:{hook.server_port}/broken?token=hunter2Zq"
    schedules.add(ws, "s", wish(every="1h", on_success=(token, "https://example.org/${NOT_SET_ANYWHERE}")))
    schedules.run_now(ws, "s")
    do_all(ws, well)
    afterwards(ws)
    assert len(hook.got) == 1
    assert "500" in told(ws)[0]["error"]
    assert "NOT_SET_ANYWHERE isn't set" in told(ws)[1]["error"]
    assert "hunter2Zq" not in json.dumps(told(ws))


def test_what_the_environment_gave_a_target_stands_in_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = opened(tmp_path)
    monkeypatch.setenv("HOOK", "tulip 'moon' lamp")  # no shape gives it away
    fails = f"{sys.executable} -c 'import sys; sys.exit(len(sys.argv[1]))' ${{HOOK}}"
    schedules.add(ws, "s", wish(every="1h", on_success=("http://127.0.0.1:1/x?k=${HOOK}", f"exec:{fails}")))
    schedules.run_now(ws, "s")
    do_all(ws, well)
    afterwards(ws)
    url, command = told(ws)
    assert "InvalidURL" in url["error"]
    assert "exit status 17" in command["error"], "one word, as it is"
    assert not any(word in json.dumps(told(ws)) for word in ("tulip", "moon", "lamp"))


@pytest.mark.parametrize("target", ["", "me", "ftp://x", "https:", "exec:", "mailto:", "mailto:me", "mailto:a@b,c"])
def test_targets_that_are_none(target: str) -> None:
    with pytest.raises(UsageError):
        check_target(target)


def test_mail_by_a_server_that_nobody_named_is_said_when_the_schedule_is_made(tmp_path: Path) -> None:
    ws = opened(tmp_path / "a")
    made = schedules.add(ws, "s", wish(every="1h", on_failure=("mailto:ops@example.org",)))
    (doubt,) = doubts(ws, made)
    assert "mailto:ops@example.org: mail goes by the server smtp://localhost:25" in doubt and "[notify] smtp" in doubt
    assert doubts(ws, schedules.add(ws, "t", wish(every="1h", on_failure=("https://example.org",)))) == []
    named = opened(
        tmp_path / "b", toml='[pipelines.train.steps.train]\nnotebook = "train.ipynb"\n[notify]\nsmtp = "smtp://m:25"'
    )
    assert doubts(named, made) == []
