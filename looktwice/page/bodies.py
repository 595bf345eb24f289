"""Bodies of requests within limits: what is too large is refused before it fills the memory or the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.formparsers import MultiPartException

Receive = Callable[[], Awaitable[Any]]
LARGEST_BODY = 64 * 1024 * 1024
"""Bytes of one request that is no upload: a call with photos as data URIs."""
LARGEST_FORM = 64 * 1024
"""Bytes of a login form, and of all fields of an upload that are no files."""
LARGEST_UPLOAD_REQUEST = 2 * 1024 * 1024 * 1024
"""Bytes of all files of one upload request; each file has a limit of its own."""
HELD_AT_ONCE = 256 * 1024 * 1024
"""Bytes of bodies that are held in memory at the same time, of all requests together."""
MOST_VALUES = 200_000
"""Commas and opening brackets of one body; each value of JSON takes some 60 bytes of memory, however short it is."""
LONGEST_READ = 120.0
"""Seconds in which a body has to arrive, since it is held meanwhile."""


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
            RefusedError: it is larger than `limit`, holds too many values, takes too long, or too much is held already.
        """
        content = bytearray()
        try:
            async with asyncio.timeout(LONGEST_READ):
                await self._fill(content, receive, limit)
            if sum(content.count(sign) for sign in (b",", b"[", b"{")) > MOST_VALUES:
                raise RefusedError(413, f"the request holds more than {MOST_VALUES:,} values; send fewer.")
        except TimeoutError as error:
            self._held -= len(content)
            raise RefusedError(408, f"the request did not arrive within {LONGEST_READ:g} s; send it again.") from error
        except BaseException:
            self._held -= len(content)
            raise
        return bytes(content)

    async def _fill(self, content: bytearray, receive: Receive, limit: int) -> None:
        while True:
            message = await receive()
            piece = message.get("body", b"")
            self._held += len(piece)
            content += piece
            if len(content) > limit:
                raise RefusedError(
                    413, f"the request is larger than {limit // 1024:,} KiB; send less, or smaller photos."
                )
            if self._held > HELD_AT_ONCE:
                raise RefusedError(503, "too many large requests at once; try again in a moment.")
            if message["type"] != "http.request" or not message.get("more_body"):
                return

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

    Raises:
        RefusedError: the content type is damaged.
    """
    fields = _Fields()
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    try:
        parser = MultipartParser(boundary, fields.callbacks()) if boundary else None
    except FormParserError as error:
        raise RefusedError(400, "the boundary of the upload is too long; send the form again.") from error
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
    """Counts the bytes of a form that belong to no file, by the same header as Gradio's own reader."""

    def __init__(self) -> None:
        self.held = 0
        self._name, self._value, self._disposition = b"", b"", b""
        self._is_file = False

    def callbacks(self) -> Any:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_name,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._finish,
            "on_part_data": self._data,
        }

    def _begin(self) -> None:
        self._name, self._value, self._disposition, self._is_file = b"", b"", b"", False

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name, self._value = b"", b""

    def _finish(self) -> None:
        self._is_file = b"filename" in parse_options_header(self._disposition)[1]

    def _data(self, data: bytes, start: int, end: int) -> None:
        del data
        if not self._is_file:
            self.held += end - start
