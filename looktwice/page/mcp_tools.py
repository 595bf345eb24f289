"""The page's functions as MCP tools: structured results with a schema, progress, and the program's name and version."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from anyio import from_thread, to_thread
from mcp import types
from mcp.server import Server
from mcp.server.fastmcp.tools import Tool
from pydantic import BaseModel

import looktwice
from agent.report.model import InspectionReport
from looktwice.page.api import Api, ChatAnswer, Endpoints, LearnedProduct, ProductNames
from tools.errors import LookTwiceError

_log = logging.getLogger(__name__)
RESULTS: dict[str, type[BaseModel]] = {
    "inspect": InspectionReport,
    "ask": ChatAnswer,
    "learn": LearnedProduct,
    "products": ProductNames,
}
"""What each tool returns."""
CHANGING = ("learn",)
"""Tools that change something."""


def serve_tools(server: Server[Any, Any], api: Api) -> None:
    """Lets an MCP server offer the page's functions.

    Each call runs in a thread of its own, so that several can wait for their turns at the same time.

    Args:
        server: its handlers of tools are replaced.
        api: the functions.
    """
    server.name, server.version = "LookTwice", looktwice.__version__
    tools = {name: _tool(name, api) for name in RESULTS}

    @server.list_tools()  # type: ignore[no-untyped-call, untyped-decorator]
    async def list_tools() -> list[types.Tool]:
        return list(tools.values())

    @server.call_tool()  # type: ignore[untyped-decorator]
    async def call_tool(name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        if name not in tools:
            raise LookTwiceError(f"there is no tool '{name}'; there are: {', '.join(tools)}.")
        more = {} if name == "products" else {"tell": _teller(server)}
        known = {key: value for key, value in arguments.items() if key in tools[name].inputSchema["properties"]}
        try:
            result = await to_thread.run_sync(partial(getattr(api, name), **known, **more))
        except LookTwiceError:
            raise
        except Exception as error:
            _log.exception("the tool %s failed", name)
            raise LookTwiceError(
                f"something failed inside ({type(error).__name__}); the page's log has more."
            ) from error
        values = result.model_dump(mode="json", by_alias=True)
        text = types.TextContent(type="text", text=json.dumps(values, ensure_ascii=False))
        return types.CallToolResult(content=[text], structuredContent=values)


def _tool(name: str, api: Api) -> types.Tool:
    """The description of a tool: arguments from the documented function, results from their model."""
    found = Tool.from_function(getattr(Endpoints(api), name), structured_output=False)
    return types.Tool(
        name=name,
        description=found.description,
        inputSchema=found.parameters,
        outputSchema=RESULTS[name].model_json_schema(mode="serialization", by_alias=True),
        annotations=types.ToolAnnotations(readOnlyHint=name not in CHANGING, openWorldHint=False),
    )


def _teller(server: Server[Any, Any]) -> Callable[[str], None]:
    """What a working thread tells its progress to: the client that made the call, where it asked for that."""
    request = server.request_context
    token = None if request.meta is None else request.meta.progressToken
    steps = iter(range(1, 1_000_000))

    def tell(text: str) -> None:
        if token is None:
            return
        send = partial(
            request.session.send_progress_notification,
            token,
            float(next(steps)),
            message=text,
            related_request_id=str(request.request_id),
        )
        from_thread.run(send)

    return tell
