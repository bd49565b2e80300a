"""What a browser may do to a server on its own machine: Studio and loopback pages yes, the rest of the web no."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.processes import ServerProcess, running_server
from threadkeep.api.origin import OriginPolicy

STUDIO = "https://smith.langchain.com"
LOOPBACK = ["http://localhost:3000", "http://127.0.0.1:5173", "https://localhost", "http://[::1]:8080"]
FOREIGN = [
    "https://evil.example",
    "http://localhost.evil.example",
    "https://smith.langchain.com.evil.example",
    "http://smith.langchain.com",
    "http://127.0.0.1.evil.example",
    "null",
    "http://[::1",
]


@pytest.mark.parametrize("origin", [STUDIO, *LOOPBACK])
def test_studio_and_loopback_pages_may_use_the_server(http: httpx.Client, origin: str) -> None:
    reply = http.post("/assistants/search", json={}, headers={"origin": origin})
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == origin
    exposed = {name.strip() for name in reply.headers["access-control-expose-headers"].lower().split(",")}
    assert {"content-location", "x-pagination-total"} <= exposed


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_from_elsewhere_is_refused_even_without_asking_first(http: httpx.Client, origin: str) -> None:
    before = http.post("/threads/search", json={}).headers["x-pagination-total"]
    reply = http.post("/threads", content=b"{}", headers={"origin": origin, "content-type": "text/plain"})
    assert reply.status_code == 403
    assert "access-control-allow-origin" not in reply.headers
    assert http.post("/threads/search", json={}).headers["x-pagination-total"] == before


@pytest.mark.parametrize("origin", [STUDIO, LOOPBACK[0]])
def test_a_preflight_over_the_private_network_is_granted(http: httpx.Client, origin: str) -> None:
    reply = http.options(
        "/threads",
        headers={
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,x-api-key,x-auth-scheme",
            "access-control-request-private-network": "true",
        },
    )
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == origin
    assert reply.headers["access-control-allow-private-network"] == "true"
    assert "x-api-key" in reply.headers["access-control-allow-headers"].lower()


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_preflight_is_not_granted(http: httpx.Client, origin: str) -> None:
    reply = http.options("/threads", headers={"origin": origin, "access-control-request-method": "POST"})
    assert reply.status_code == 400
    assert "access-control-allow-origin" not in reply.headers


def test_json_sent_as_plain_text_is_read_as_json(http: httpx.Client) -> None:
    body = b'{"message": "what is 2 + 2?"}'
    reply = http.post("/chat", content=body, headers={"origin": STUDIO, "content-type": "text/plain;charset=UTF-8"})
    assert reply.status_code == 200, reply.text
    assert reply.json()["response"] == "2 + 2 = 4"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8123", "localhost.evil.example", "169.254.169.254", "", "[::1"]
)
def test_a_foreign_host_name_is_refused(http: httpx.Client, host: str) -> None:
    reply = http.get("/info", headers={"host": host})
    assert reply.status_code in (400, 403)
    assert "version" not in reply.text


def test_a_host_that_is_no_address_is_refused_where_any_name_is_served() -> None:
    anywhere = OriginPolicy(None, frozenset(), None)
    assert anywhere.refusal({b"host": b"agents.example:8123"}) is None
    assert anywhere.refusal({b"host": b"[::1"}) is not None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_every_loopback_name_is_served(http: httpx.Client, host: str) -> None:
    port = http.base_url.port
    assert http.get("/ok", headers={"host": f"{host}:{port}"}).json()["ok"] is True


def test_studio_is_kept_out_when_told_so(data_dir: Path) -> None:
    with running_server(data_dir, environment={"STUDIO": "0"}) as server, server.client() as client:
        assert "Studio" not in server.banner
        assert client.get("/ok", headers={"origin": STUDIO}).status_code == 403
        assert client.get("/ok", headers={"origin": LOOPBACK[0]}).status_code == 200


def test_beyond_loopback_only_what_was_configured_is_let_in(data_dir: Path) -> None:
    environment = {"ALLOW_UNAUTHENTICATED": "1", "ALLOWED_HOSTS": "agents.example,127.0.0.1"}
    with running_server(data_dir, environment=environment, arguments=["--host", "0.0.0.0"]) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert "Studio" not in server.banner
        with server.client() as client:
            assert client.get("/ok").status_code == 200
            assert client.get("/ok", headers={"host": "agents.example"}).status_code == 200
            assert client.get("/ok", headers={"host": "other.example"}).status_code == 403
            for origin in (STUDIO, LOOPBACK[0], "https://other.example"):
                assert client.get("/ok", headers={"origin": origin}).status_code == 403
            same = {"host": "agents.example", "origin": "https://agents.example"}
            assert client.get("/ok", headers=same).status_code == 200


def test_the_banner_names_the_address_and_studios_link(shipped: ServerProcess) -> None:
    assert f"Address   {shipped.url}" in shipped.banner
    assert f"{STUDIO}/studio/?baseUrl={shipped.url}" in shipped.banner
    assert "react, plan_execute, tree_of_thought" in shipped.banner
    assert "NO REAL MODEL ANSWERS" in shipped.banner
    assert str(shipped.data_dir) in shipped.banner
    assert shipped.banner.count("curl ") == 3
