"""Fetching from a real server on loopback, which the tests allow and the tool itself never does."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain_core.tools import ToolException

from nodes.tools.fetch import MAX_BYTES, fetch, is_public
from nodes.tools.web_search import Hit, SearxngSearch, web_search_tool


class Site(BaseHTTPRequestHandler):
    hosts: list[str]

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.hosts.append(self.headers["Host"])
        path = self.path.partition("?")[0]
        if path == "/search":
            self.answer("application/json", b'{"results": [{"title": "T", "url": "http://u", "content": "words"}]}')
        elif path == "/large":
            self.answer("text/plain", b"x" * (MAX_BYTES + 1))
        elif path == "/image":
            self.answer("image/png", b"\x89PNG")
        elif path == "/away":
            self.redirect("http://10.0.0.1/secret")
        elif path == "/round":
            self.redirect("/round")
        elif path == "/there":
            self.redirect("/page")
        else:
            self.answer("text/html; charset=utf-8", b"<h1>Hi &amp; hello</h1><script>evil()</script><p>caf\xc3\xa9</p>")

    def answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, where: str) -> None:
        self.send_response(302)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def site() -> Iterator[tuple[str, list[str]]]:
    hosts: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Site,), {"hosts": hosts}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://site.test:{server.server_port}", hosts
    server.shutdown()
    server.server_close()
    thread.join(5)


async def to_loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"] if host == "site.test" else [host]


def loopback(address: str) -> bool:
    return address == "127.0.0.1"


async def get(url: str) -> str:
    return (await fetch(url, resolve=to_loopback, allowed=loopback)).text


async def test_a_page_is_read_as_text_by_its_name_over_the_address_that_was_checked(site: Any) -> None:
    url, hosts = site
    assert await get(f"{url}/there") == "Hi & hello\ncafé"
    assert hosts == [url.removeprefix("http://")] * 2


@pytest.mark.fault("tool.private_address")
@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/away", "not on the public internet"),
        ("/round", "redirects too often"),
        ("/large", "larger than"),
        ("/image", "no text but image/png"),
    ],
)
async def test_what_is_not_a_public_page_of_text_is_refused(site: Any, path: str, says: str) -> None:
    with pytest.raises(ToolException, match=says):
        await get(site[0] + path)


@pytest.mark.fault("tool.private_address")
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://0.0.0.0/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.1.2.3/",
        "http://100.64.0.1/",
        "http://[fd00::1]/",
        "file:///etc/passwd",
        "ftp://example.org/",
        "http://user:pass@example.org/",
        "http://",
        "not a url",
        "http://[::1",
    ],
)
async def test_private_addresses_and_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(ToolException):
        await fetch(url)


async def test_a_name_of_which_any_address_is_private_is_refused() -> None:
    async def mixed(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "10.0.0.1"]

    with pytest.raises(ToolException, match="not on the public internet"):
        await fetch("http://example.org/", resolve=mixed)


def test_public_addresses_are_told_from_others() -> None:
    assert is_public("93.184.216.34")
    assert is_public("2606:4700::1111")
    for address in ("64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "224.0.0.1", "fe80::1%eth0", "198.18.0.1"):
        assert not is_public(address)


async def test_a_search_engine_behind_the_interface_gives_its_hits(site: Any) -> None:
    engine = SearxngSearch(site[0].replace("site.test", "127.0.0.1"))
    assert await engine.search("words", 3) == [Hit("T", "http://u", "words")]
    assert await web_search_tool(engine).ainvoke({"query": "words"}) == "T\nhttp://u\nwords"
    with pytest.raises(ConnectionError):
        await SearxngSearch("http://127.0.0.1:9").search("words", 3)
