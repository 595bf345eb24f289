"""Keeps a visitor's things a visitor's: every request passes here, before Gradio sees it."""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from gradio.utils import get_upload_folder
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection

from looktwice.page.access import Hosts, Owners, file_fields, given_files
from looktwice.page.bodies import LARGEST_BODY, LARGEST_FORM, Bodies, RefusedError, limited_upload, replayed
from looktwice.page.logins import CALLER, Logins, WaitError
from tools.documents import parse_json
from tools.errors import InputError

if TYPE_CHECKING:
    from looktwice.page.sessions import Visits

COOKIE = "looktwice_visitor"
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; frame-src 'self'; object-src 'none'; base-uri 'self'; frame-ancestors 'self'"
)
"""Gradio's browser half builds functions from strings, hence unsafe-eval; no other host is ever talked to."""
_API = "/gradio_api/"
_FILE = re.compile(r"/gradio_api/file[=/](.*)", re.DOTALL)
_UNUSED = (
    "/monitoring",
    *(
        _API + name
        for name in (
            "proxy=",
            "stream",
            "component_server",
            "process_recording",
            "vibe-",
            "undo-vibe-edit",
            "dev/",
            "deep_link",
            "run-history",
            "runs",
            "profiling",
            "custom_component",
        )
    ),
)
"""Gradio's routes that this page does not use; several reach files, sessions or other hosts without a check."""
_OPEN = tuple(_API + name for name in ("startup-events", "app_id", "login_check", "user", "token", "theme.css"))
"""Routes that Gradio and the login page need before anybody has logged in."""
_MCP = _API + "mcp"
_COOKIE_VALUE = re.compile(r"[A-Za-z0-9_-]{20,64}")


@dataclass(frozen=True)
class AccessRules:
    """What a page lets in."""

    owners: Owners
    hosts: Hosts = field(default_factory=Hosts)
    logins: Logins | None = None
    """None where no password is asked for."""
    visits: Visits | None = None


@dataclass(frozen=True)
class _Caller:
    """Who has sent a request."""

    key: str
    """Of this visitor and login, to compare and to keep."""
    cookie: str
    """For the response to set; empty where the browser has one."""


class PrivatePage:
    """ASGI middleware: a visitor reaches its own files, sessions and events, under the page's own names."""

    def __init__(self, app: Any, rules: AccessRules) -> None:
        self._app, self._rules = app, rules
        self._bodies = Bodies()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            CALLER.set(str((scope.get("client") or ("unknown",))[0]))
            try:
                await self._pass_on(scope, receive, send)
            except RefusedError as refusal:
                await _answer(send, refusal)
        else:
            # The page uses no web sockets.
            await send({"type": "websocket.close", "code": 1008})

    async def _pass_on(self, scope: Any, receive: Any, send: Any) -> None:
        path = str(scope["path"])
        headers = dict(scope["headers"])
        self._check_site(scope, headers)
        if path.startswith(_UNUSED):
            raise RefusedError(404, "this page has no such address.")
        caller = self._caller(scope, path, headers)
        self._check_address(scope, path, caller)
        content = b""
        if scope["method"] == "POST":
            if path.rstrip("/") == f"{_API}upload":
                receive = limited_upload(receive, headers.get(b"content-type", b""))
            else:
                called = path.startswith(_API) and not path.startswith(_OPEN)
                limit = LARGEST_BODY if called else LARGEST_FORM
                content = await self._bodies.read(receive, limit)
                receive = replayed(content, receive)
        beating = path.removeprefix(f"{_API}heartbeat/")
        visits = self._rules.visits if beating != path else None
        try:
            if content and path.startswith(_API) and not path.startswith(_MCP):
                self._check_body(content, caller)
            if visits is not None:
                visits.hold(beating)
            await self._app(scope, receive, self._noting(scope, path, caller, send))
        finally:
            self._bodies.release(content)
            if visits is not None:
                visits.release(beating)

    def _check_site(self, scope: Any, headers: dict[bytes, bytes]) -> None:
        """Refuse names that are not the page's, and requests of pages elsewhere."""
        hosts = self._rules.hosts
        host = headers.get(b"host", b"").decode("latin-1")
        if not hosts.accepts(host):
            raise RefusedError(
                403,
                f"this page does not answer to the name {host[:100]!r}; open it by its address, or start it with "
                "--allow-host NAME.",
            )
        origin = headers.get(b"origin")
        if origin is not None and not hosts.accepts_origin(origin.decode("latin-1"), host):
            raise RefusedError(403, "this request comes from a page elsewhere; open the page itself.")
        # Gradio builds addresses from these.
        scope["headers"] = [
            (name, value)
            for name, value in scope["headers"]
            if name != b"x-gradio-server"
            and not (name == b"x-forwarded-host" and not hosts.accepts(value.decode("latin-1")))
        ]

    def _caller(self, scope: Any, path: str, headers: dict[bytes, bytes]) -> _Caller:
        """Who asks; where the page asks for passwords, a name that has logged in."""
        rules = self._rules
        cookies = HTTPConnection(scope).cookies
        given = cookies.get(COOKIE, "")
        visitor = given if _COOKIE_VALUE.fullmatch(given) else ""
        fresh = "" if visitor else secrets.token_urlsafe(24)
        # A program that keeps no cookies is known by its address, and by the id of its session, which only it knows.
        uploading = path.rstrip("/") == f"{_API}upload"
        known = visitor or (fresh if uploading else f"address {CALLER.get()}")
        login = _login(scope, cookies) if rules.logins is not None else None
        if rules.logins is not None and login is None:
            if path.startswith(_MCP):
                login = _basic(rules.logins, headers.get(b"authorization", b""))
            elif path.startswith(_API) and not path.startswith(_OPEN):
                raise RefusedError(401, "log in first.")
        return _Caller(f"{login or ''} {known}", fresh)

    def _check_address(self, scope: Any, path: str, caller: _Caller) -> None:
        """Refuse files and sessions that an address names and that belong to another visitor."""
        owners = self._rules.owners
        found = _FILE.match(path)
        if found is not None and not owners.has_file(found[1], caller.key):
            raise RefusedError(403, "this file belongs to another visitor, or is gone; upload it again.")
        parts = path.strip("/").split("/")
        names = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("session_hash", [])
        if parts[:2] == ["gradio_api", "heartbeat"]:
            names = [*names, "/".join(parts[2:])]
        elif parts[:2] == ["gradio_api", "call"] and scope["method"] != "POST":
            names = [*names, parts[-1]]
        for name in names:
            self._check_session(name, caller)

    def _check_session(self, name: str, caller: _Caller) -> None:
        if not self._rules.owners.take_session(name, caller.key):
            raise RefusedError(403, "this session belongs to another visitor; load the page again.")

    def _check_body(self, content: bytes, caller: _Caller) -> None:
        """Refuse a call that names files, sessions or events of another visitor."""
        try:
            data = parse_json(content.decode("utf-8"), "request")
        except (UnicodeDecodeError, InputError) as error:
            raise RefusedError(400, f"the request is not valid JSON ({error}).") from error
        for path in file_fields(data):
            if not self._rules.owners.has_file(path, caller.key):
                raise RefusedError(403, "this file belongs to another visitor, or is gone; upload it again.")
        for name in ("session_hash", "event_id"):
            found = data.get(name) if isinstance(data, dict) else None
            if isinstance(found, str):
                self._check_session(found, caller)

    def _noting(self, scope: Any, path: str, caller: _Caller, send: Any) -> Any:
        """A `send` that adds headers, and notes which files and events the response gives to the caller."""
        short = path.rstrip("/")
        uploading = short == f"{_API}upload"
        queued = scope["method"] == "POST" and (short == f"{_API}queue/join" or short.startswith(f"{_API}call/"))
        streaming = short == f"{_API}queue/data"
        body = bytearray()

        async def noting(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *_headers(caller)]}
            elif streaming:
                self._note_stream(message.get("body", b""), caller)
            elif uploading or queued:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    self._note_answer(bytes(body), caller)
            await send(message)

        return noting

    def _note_answer(self, body: bytes, caller: _Caller) -> None:
        """Note the paths of an upload, or the id of an event."""
        try:
            told = json.loads(body)
        except ValueError:
            return
        if isinstance(told, dict):
            if isinstance(told.get("event_id"), str):
                self._rules.owners.take_session(told["event_id"], caller.key)
        elif isinstance(told, list):
            for path in told:
                self._rules.owners.add_file(str(path), caller.key)

    def _note_stream(self, piece: bytes, caller: _Caller) -> None:
        """Note the files that a message of a session hands out; Gradio sends each message in one piece."""
        if b"gradio.FileData" not in piece:
            return
        for line in piece.split(b"\n"):
            try:
                told = json.loads(line.removeprefix(b"data:"))
            except ValueError:
                continue
            for path in given_files(told):
                self._rules.owners.add_file(path, caller.key)


def _headers(caller: _Caller) -> list[tuple[bytes, bytes]]:
    """Headers of every response."""
    headers = [
        (b"content-security-policy", POLICY.encode()),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if caller.cookie:
        headers.append((b"set-cookie", f"{COOKIE}={caller.cookie}; Path=/; HttpOnly; SameSite=Lax".encode()))
    return headers


def _login(scope: Any, cookies: dict[str, str]) -> str | None:
    """The name that has logged in, as Gradio's cookies tell it."""
    app = scope["app"]
    token = cookies.get(f"access-token-{app.cookie_id}") or cookies.get(f"access-token-unsecure-{app.cookie_id}")
    found = app.tokens.get(token)
    return None if found is None else str(found)


def _basic(logins: Logins, header: bytes) -> str:
    """The name of HTTP's basic authentication."""
    kind, _, code = header.decode("latin-1").partition(" ")
    try:
        name, colon, word = base64.b64decode(code.strip(), validate=True).decode("utf-8").partition(":")
        if kind.lower() == "basic" and colon and logins.check(name, word, CALLER.get()):
            return name
    except (binascii.Error, UnicodeDecodeError):
        pass
    except WaitError as error:
        raise RefusedError(429, str(error), ((b"retry-after", str(error.seconds).encode()),)) from error
    raise RefusedError(
        401,
        "give a name and password of this page by HTTP basic authentication.",
        ((b"www-authenticate", b'Basic realm="LookTwice", charset="UTF-8"'),),
    )


async def _answer(send: Any, refusal: RefusedError) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": refusal.status, "headers": [*headers, *refusal.headers]})
    await send({"type": "http.response.body", "body": refusal.text.encode()})


def middleware(rules: AccessRules) -> list[Any]:
    """What Gradio's server is wrapped in."""
    return [Middleware(PrivatePage, rules=rules)]


def upload_folder() -> Path:
    """Gradio's folder of uploads and of copies that it serves."""
    return Path(get_upload_folder())
