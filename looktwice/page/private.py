"""Keeps a visitor's things a visitor's: passwords, files by cookie, and a browser that talks to this machine alone."""

from __future__ import annotations

import filecmp
import hmac
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from looktwice.examples import examples
from tools.errors import InputError

COOKIE = "looktwice_visitor"
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; frame-src 'self'; object-src 'none'; base-uri 'self'; frame-ancestors 'self'"
)
"""Gradio's browser half builds functions from strings, hence unsafe-eval; no other host is ever talked to."""
_FILE = "/gradio_api/file="
_UPLOAD = "/gradio_api/upload"


def password_check(path: Path) -> Callable[[str, str], bool]:
    """A check of names and passwords, read once from a file of lines `name:password`.

    Raises:
        tools.errors.InputError: the file cannot be read, others may read it, or a line has a fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: passwords cannot be read ({error}); give a text file of lines name:password."
        ) from error
    if mode & 0o077:
        raise InputError(f"{path}: other users of this machine may read these passwords; run: chmod 600 {path}")
    known: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, word = line.partition(":")
        if not colon or not name.strip() or len(word.strip()) < 4:
            raise InputError(f"{path}: line {number}: write name:password, the password of at least 4 signs.")
        known[name.strip()] = word.strip()
    if not known:
        raise InputError(f"{path}: names nobody; write a line name:password for each person.")

    def check(name: str, word: str) -> bool:
        expected = known.get(name, secrets.token_hex(16))
        return hmac.compare_digest(expected.encode(), word.encode()) and name in known

    return check


class PrivateFiles:
    """ASGI middleware: an upload is handed out only to the browser that sent it, and nothing is asked elsewhere."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._owners: dict[str, set[str]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Passes a request on, or answers 403 where a file is another visitor's."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visitor = _visitor(scope)
        path = unquote(str(scope["path"]))
        if _FILE in path:
            owners = self._owners.get(path.split(_FILE, 1)[1])
            if owners is not None and visitor not in owners:
                await send(
                    {"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]}
                )
                await send({"type": "http.response.body", "body": b"this file belongs to another visitor"})
                return
        fresh = visitor or secrets.token_urlsafe(24)
        uploading = path.rstrip("/").endswith(_UPLOAD)
        body = bytearray()

        async def answered(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", []), (b"content-security-policy", POLICY.encode()),
                           (b"referrer-policy", b"no-referrer"), (b"x-content-type-options", b"nosniff")]  # fmt: skip
                if not visitor:
                    headers.append((b"set-cookie", f"{COOKIE}={fresh}; Path=/; HttpOnly; SameSite=Strict".encode()))
                message = {**message, "headers": headers}
            elif uploading:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    self._own(bytes(body), fresh)
            await send(message)

        await self._app(scope, receive, answered)

    def _own(self, body: bytes, visitor: str) -> None:
        try:
            paths = json.loads(body)
        except ValueError:
            return
        for path in paths if isinstance(paths, list) else []:
            if not _shipped(Path(str(path))):
                self._owners.setdefault(str(path), set()).add(visitor)


def _shipped(upload: Path) -> bool:
    """Whether an upload is a photo that ships with the page.

    Gradio keeps equal files once, so that the example another visitor picks would lie where this upload lies.
    """
    same = (p for e in examples() for p in (*e.photos, *e.references) if p.name == upload.name)
    return upload.is_file() and any(filecmp.cmp(upload, photo, shallow=False) for photo in same)


def _visitor(scope: Any) -> str:
    """The visitor's cookie, or nothing."""
    for name, value in scope["headers"]:
        if name == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                key, _, found = pair.strip().partition("=")
                if key == COOKIE:
                    return str(found)
    return ""


def middleware() -> list[Any]:
    """What Gradio's server is wrapped in."""
    from starlette.middleware import Middleware

    return [Middleware(PrivateFiles)]
