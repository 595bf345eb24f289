"""Attacks on the page's passwords: guessing, weak password files, and MCP clients that have not logged in."""

import asyncio
import base64
import os

import httpx
import pytest
from page_server import served

from looktwice import Inspector
from looktwice.examples import examples
from looktwice.page.logins import FREE_FAILURES, LONGEST_WAIT, SHORTEST, Logins, WaitError, password_check
from tools.errors import InputError

RIGHT, WRONG = "secret words", "guessed-word"


class Clock:
    """Seconds that a test sets."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def logins(clock):
    return Logins(lambda name, word: name == "ann" and word == RIGHT, clock)


@pytest.fixture
def people(tmp_path):
    path = tmp_path / "people"
    path.write_text(f"ann:{RIGHT}\n")
    path.chmod(0o600)
    return path


def test_after_five_failures_each_next_one_waits_twice_as_long_up_to_a_minute(logins, clock):
    for _ in range(FREE_FAILURES):
        assert not logins.check("ann", WRONG, "192.0.2.1")
    waits = []
    for _ in range(9):
        with pytest.raises(WaitError, match="too many failed logins; wait") as caught:
            logins.check("ann", RIGHT, "192.0.2.1")
        start = clock.now
        while True:
            clock.now += 0.5
            try:
                assert not logins.check("ann", WRONG, "192.0.2.1")
                break
            except WaitError:
                pass
        waits.append(clock.now - start)
        assert caught.value.seconds >= waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]
    clock.now += LONGEST_WAIT
    assert logins.check("ann", RIGHT, "192.0.2.1")


def test_a_name_is_guessed_slowly_from_many_addresses_and_an_address_guesses_many_names_slowly(logins):
    for n in range(FREE_FAILURES):
        assert not logins.check("ann", WRONG, f"192.0.2.{n}")
    with pytest.raises(WaitError):
        logins.check("ann", RIGHT, "192.0.2.99")
    for n in range(FREE_FAILURES):
        assert not logins.check(f"eve{n}", WRONG, "198.51.100.1")
    with pytest.raises(WaitError):
        logins.check("bob", WRONG, "198.51.100.1")


def test_a_right_password_forgets_the_failures_of_a_name(logins):
    for n in range(3):
        for m in range(FREE_FAILURES - 1):
            assert not logins.check("ann", WRONG, f"192.0.{n}.{m}")
        assert logins.check("ann", RIGHT, f"192.0.{n}.200")


def test_a_failure_is_logged_on_one_line_without_the_password(logins, capsys):
    assert not logins.check("ann\nroot \x1b[31m", WRONG, "192.0.2.1")
    (line,) = capsys.readouterr().err.splitlines()
    assert "192.0.2.1" in line and "ann" in line and "\x1b" not in line and WRONG not in line


@pytest.mark.parametrize("word", ["", " " * 20, "x" * (SHORTEST - 1), f"  {'x' * (SHORTEST - 1)}  "])
def test_a_short_password_is_refused_with_its_line_and_not_shown(people, word):
    people.write_text(f"ann:{RIGHT}\nbob:{word}\n")
    with pytest.raises(InputError, match=f"line 2: .* at least {SHORTEST} characters") as caught:
        password_check(people)
    assert "xxx" not in str(caught.value)
    people.write_text(f"ann:{'x' * SHORTEST}\n")
    assert password_check(people)("ann", "x" * SHORTEST)


@pytest.fixture(scope="module")
def inspector():
    return Inspector("nano", looks=0)


def test_guessing_over_http_is_answered_with_429_and_when_to_try_again(tmp_path, inspector, people, capfd):
    with served(tmp_path, lambda: inspector, auth=people) as address, httpx.Client(base_url=address) as browser:
        for _ in range(FREE_FAILURES):
            assert browser.post("/login", data={"username": "ann", "password": WRONG}).status_code == 400
        answer = browser.post("/login", data={"username": "ann", "password": RIGHT})
        assert answer.status_code == 429 and int(answer.headers["Retry-After"]) <= 2
        assert "too many failed logins; wait" in answer.text
        assert browser.get("/gradio_api/info").status_code == 401
    told = capfd.readouterr()
    assert told.err.count("login of 'ann'") == FREE_FAILURES
    assert WRONG not in told.err + told.out and RIGHT not in told.err + told.out


def basic(word):
    return {"Authorization": f"Basic {base64.b64encode(f'ann:{word}'.encode()).decode()}"}


@pytest.fixture
def behind_password(tmp_path, inspector, people, monkeypatch):
    """A page with passwords and MCP, on a machine whose proxy answers nothing."""
    proxies = {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9"}
    for name, proxy in proxies.items():
        monkeypatch.setenv(name, proxy)
    with served(tmp_path, lambda: inspector, auth=people, mcp=True) as address:
        for name, proxy in proxies.items():
            assert os.environ[name] == proxy
            monkeypatch.delenv(name)  # of the clients, which are in this process too
        yield address.rstrip("/")


def test_an_mcp_client_without_login_reaches_nothing(behind_password):
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}
    statuses = []
    for headers in (basic("wrong words"), {}, {"Authorization": "Basic %%%"}, {"Authorization": "Bearer ann"}):
        for path in ("mcp", "mcp/", "mcp/http", "mcp/sse", "mcp/schema", "mcp/messages/"):
            for method in ("GET", "POST"):
                answer = httpx.request(
                    method,
                    f"{behind_password}/gradio_api/{path}",
                    headers={**accept, **headers},
                    json=listing if method == "POST" else None,
                )
                statuses.append(answer.status_code)
                assert answer.status_code in (401, 429) and "inspect" not in answer.text
                assert answer.status_code == 429 or answer.headers["WWW-Authenticate"].startswith("Basic")
    assert 429 in statuses[:12] and set(statuses[12:]) == {401}


def test_an_mcp_client_that_logs_in_lists_and_calls_in_spite_of_a_proxy(behind_password):
    mcp = pytest.importorskip("mcp", reason="the mcp package is not installed")
    from mcp.client.streamable_http import streamablehttp_client

    wood = next(e for e in examples() if e.name == "wood")

    async def talk(auth):
        url = f"{behind_password}/gradio_api/mcp/"
        async with (
            streamablehttp_client(url, auth=auth) as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = [tool.name for tool in (await session.list_tools()).tools]
            (name,) = [n for n in tools if n.endswith("inspect")]
            given = {"photo": str(wood.photos[0]), "references": [str(wood.references[0])]}
            return tools, await session.call_tool(name, given)

    with pytest.raises(BaseExceptionGroup) as caught:
        asyncio.run(talk(None))
    assert "401" in str([caught.value.exceptions, *caught.value.exceptions])
    tools, answer = asyncio.run(talk(httpx.BasicAuth("ann", RIGHT)))
    assert len(tools) == 4 and not answer.isError and answer.structuredContent["schema"] == "looktwice/1"
