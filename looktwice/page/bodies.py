"""Bodies of requests within limits: what is too large is refused before it fills the memory or the disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

Receive = Callable[[], Awaitable[Any]]
LARGEST_BODY = 64 * 1024 * 1024
"""Bytes of one request that is no upload: a call with photos as data URIs."""
LARGEST_FORM = 64 * 1024
"""Bytes of a login form, and of all fields of an upload that are no files."""
LARGEST_UPLOAD_REQUEST = 2 * 1024 * 1024 * 1024
"""Bytes of all files of one upload request; each file has a limit of its own."""
HELD_AT_ONCE = 256 * 1024 * 1024
"""Bytes of bodies that are held in memory at the same time, of all requests together."""


class RefusedError(Exception):
    """A request is not passed on; the answer is a status and a sentence."""

    def __init__(self, status: int, text: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """Take the answer.

        Args:
            status: of HTTP.
            text: a sentence for a person.
            headers: further headers.
        """
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers


class Bodies:
    """Reads bodies, and counts how much of them is held."""

    def __init__(self) -> None:
        self._held = 0

    async def read(self, receive: Receive, limit: int) -> bytes:
        """Read a whole body; call `release` with it once the request has ended.

        Raises:
            RefusedError: it is larger than `limit`, or too much is held already.
        """
        content = bytearray()
        try:
            while True:
                message = await receive()
                piece = message.get("body", b"")
                self._held += len(piece)
                content += piece
                if len(content) > limit:
                    raise RefusedError(
                        413, f"the request is larger than {limit // 1024} KiB; send less, or smaller photos."
                    )
                if self._held > HELD_AT_ONCE:
                    raise RefusedError(503, "too many large requests at once; try again in a moment.")
                if message["type"] != "http.request" or not message.get("more_body"):
                    return bytes(content)
        except BaseException:
            self._held -= len(content)
            raise

    def release(self, content: bytes) -> None:
        """Note that a body is no longer held."""
        self._held -= len(content)


def replayed(content: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read before, and then what comes after it."""
    waiting = [{"type": "http.request", "body": content, "more_body": False}]

    async def again() -> Any:
        return waiting.pop() if waiting else await receive()

    return again


def limited_upload(receive: Receive, content_type: bytes) -> Receive:
    """A `receive` that ends an upload that is too large, or whose fields without a file name fill the memory.

    Gradio's own reader handles the exception: it removes what it has written and answers 413.
    """
    from python_multipart.multipart import MultipartParser, parse_options_header
    from starlette.formparsers import MultiPartException

    fields = _Fields()
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    parser = MultipartParser(boundary, fields.callbacks()) if boundary else None
    total = 0

    async def counted() -> Any:
        nonlocal total
        message = await receive()
        piece = message.get("body", b"")
        total += len(piece)
        if parser is not None and piece:
            parser.write(piece)
        if total > LARGEST_UPLOAD_REQUEST or fields.held > LARGEST_FORM:
            raise MultiPartException("The upload is larger than the maximum allowed size.")
        return message

    return counted


class _Fields:
    """Counts the bytes of a form that belong to no file."""

    def __init__(self) -> None:
        self.held = 0
        self._header = b""
        self._is_file = False

    def callbacks(self) -> Any:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_value": self._value,
            "on_headers_finished": self._finish,
            "on_part_data": self._data,
        }

    def _begin(self) -> None:
        self._header, self._is_file = b"", False

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _finish(self) -> None:
        self._is_file = b"filename" in self._header

    def _data(self, data: bytes, start: int, end: int) -> None:
        del data
        if not self._is_file:
            self.held += end - start
