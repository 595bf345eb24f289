"""The page's functions as programs call them: Gradio's client, an MCP client, many at once, and who may not."""

import asyncio
import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from gradio_client import Client
from page_server import free_port, served
from PIL import Image

import looktwice
from agent.report.model import InspectionReport
from looktwice import Inspector
from looktwice.examples import examples
from looktwice.page import PageSettings, build_page, serve
from tools.errors import InputError


def uri(path, crop=None):
    stream = io.BytesIO()
    picture = Image.open(path).convert("RGB")
    (picture if crop is None else picture.crop((0, 0, crop, crop))).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


@pytest.fixture(scope="module")
def wood():
    return next(e for e in examples() if e.name == "wood")


@pytest.fixture(scope="module")
def inspector():
    return Inspector("nano", looks=0)


@pytest.fixture(scope="module")
def address(tmp_path_factory, inspector):
    with served(tmp_path_factory.mktemp("api"), lambda: inspector, mcp=True) as found:
        yield found


def test_stable_names_with_documents(address):
    told = Client(address, verbose=False).view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(told) == {"/inspect", "/ask", "/learn", "/products"}
    assert [p["parameter_name"] for p in told["/inspect"]["parameters"]] == ["photo", "product", "references", "normal"]
    assert "Inspects one photo" in told["/inspect"]["description"]


def test_eight_visitors_at_once_each_get_their_own_right_answer(address, wood, inspector):
    sides = (256, 248, 240, 232)
    jobs = [(path, side) for side in sides for path in wood.photos[:2]]
    assert len(jobs) == 8

    def visit(job):
        path, side = job
        answer = Client(address, verbose=False).predict(photo=uri(path, side), api_name="/inspect")
        return InspectionReport.model_validate(answer)

    with ThreadPoolExecutor(8) as visitors:
        reports = list(visitors.map(visit, jobs))
    for (path, side), report in zip(jobs, reports, strict=True):
        alone = inspector.inspect(_cropped(path, side))
        assert report.size == (side, side)
        assert report.verdict.score == pytest.approx(alone.verdict.score, abs=1e-4)
    assert len({r.verdict.score for r in reports}) > 4


def _cropped(path, side):
    import numpy as np

    return np.asarray(Image.open(path).convert("RGB").crop((0, 0, side, side)))


def test_an_mcp_client_gets_structured_results_and_is_told_its_mistakes(address, wood):
    mcp = pytest.importorskip("mcp", reason="the mcp package is not installed")
    from mcp.client.streamable_http import streamablehttp_client

    good = [str(wood.references[0])]
    hole = str(next(p for p in wood.photos if p.stem == "hole"))
    steps = []

    async def progress(done, total, message):
        steps.append((done, message))

    async def talk():
        url = f"{address.rstrip('/')}/gradio_api/mcp/"
        async with streamablehttp_client(url) as (read, write, _), mcp.ClientSession(read, write) as session:
            begun = await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}

            async def call(name, given, **more):
                return await session.call_tool(name, given, **more)

            inspected, asked = await asyncio.gather(
                call("inspect", {"photo": hole, "references": good}, progress_callback=progress),
                call("ask", {"photo": hole, "references": good, "question": "why is it bad?"}),
            )
            learned = await call("learn", {"name": "board", "references": good, "normal": "one board"})
            listed = await call("products", {})
            bad = [await call("inspect", given) for given in ({"photo": "/no/such/photo.png"}, {"picture": "x"})]
            return begun.serverInfo, tools, inspected, asked, learned, listed, bad

    server, tools, inspected, asked, learned, listed, bad = asyncio.run(talk())
    assert (server.name, server.version) == ("LookTwice", looktwice.__version__)
    assert set(tools) == {"inspect", "ask", "learn", "products"}
    assert all(len(tool.description) > 40 and tool.outputSchema["type"] == "object" for tool in tools.values())
    assert tools["inspect"].inputSchema["required"] == ["photo"]
    report = InspectionReport.model_validate(inspected.structuredContent)
    assert json.loads(inspected.content[0].text) == inspected.structuredContent
    assert [done for done, _ in steps] == sorted({done for done, _ in steps}) and len(steps) > 5
    assert "First look" in {message for _, message in steps}
    assert asked.structuredContent["verdict"]["score"] == report.verdict.score
    assert all(sentence["cites"] for sentence in asked.structuredContent["sentences"])
    assert (learned.structuredContent["product"], learned.structuredContent["references"]) == ("board", 1)
    products = {item["name"]: item["ready_made"] for item in listed.structuredContent["products"]}
    assert products["board"] is False and products["bottle"] is True
    assert all(answer.isError and "Traceback" not in answer.content[0].text for answer in bad)
    assert "photo.png" in bad[0].content[0].text and "'photo' is a required" in bad[1].content[0].text


def test_only_who_knows_the_password_comes_in(tmp_path, inspector):
    people = tmp_path / "people"
    people.write_text("ann:secret words\n")
    people.chmod(0o600)
    with served(tmp_path, lambda: inspector, auth=people) as found:
        assert httpx.get(f"{found}gradio_api/info").status_code == 401
        assert httpx.post(f"{found}gradio_api/upload", files={"files": b"x"}).status_code == 401
        with httpx.Client() as browser:
            assert browser.post(f"{found}login", data={"username": "ann", "password": "wrong"}).status_code == 400
            assert (
                browser.post(f"{found}login", data={"username": "ann", "password": "secret words"}).status_code == 200
            )
            assert browser.get(f"{found}gradio_api/info").status_code == 200


def test_an_upload_is_another_visitors_no_more_than_too_large_a_file_is_taken(address):
    ann, bob = httpx.Client(), httpx.Client()
    for visitor in (ann, bob):
        visitor.get(address)
    (path,) = ann.post(f"{address}gradio_api/upload", files={"files": ("part.png", b"pixels")}).json()
    assert ann.get(f"{address}gradio_api/file={path}").status_code == 200
    assert bob.get(f"{address}gradio_api/file={path}").status_code == 403
    assert ann.get(f"{address}gradio_api/file=/etc/hostname").status_code in (403, 404)
    huge = ann.post(f"{address}gradio_api/upload", files={"files": ("huge.png", bytes(31 * 1024 * 1024))})
    assert huge.status_code == 413


def test_a_port_that_is_taken_is_told_in_a_sentence(address, inspector, tmp_path):
    settings = PageSettings(port=int(address.rstrip("/").rsplit(":", 1)[1]), products=tmp_path)
    blocks = build_page(lambda: inspector, settings)
    with pytest.raises(InputError, match="--port"):
        serve(blocks, settings, block=False)
    assert free_port()
