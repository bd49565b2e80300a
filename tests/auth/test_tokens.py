"""JWTs: signed by the issuer's published keys, for this server, not over; anything else is nobody."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.auth.conftest import GUARDED
from tests.processes import ServerProcess, running_server

ISSUER, AUDIENCE = "https://issuer.example", "threadkeep"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGERS = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def token(key: Any = KEY, algorithm: str = "RS256", kid: str = "one", **changed: Any) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 60, **changed}
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid})


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    published = json.dumps({"keys": [{**jwk, "kid": "one", "use": "sig", "alg": "RS256"}]}).encode()

    class Jwks(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(published)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Jwks)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/jwks.json"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def server(issuer: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    environment = {"JWT_JWKS_URL": issuer, "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE}
    data = tmp_path_factory.mktemp("tokens")
    with running_server(data, config=GUARDED / "langgraph.json", environment=environment) as running:
        yield running


def ask(server: ServerProcess, sent: str, method: str = "POST", path: str = "/threads") -> httpx.Response:
    headers = {"authorization": f"Bearer {sent}"}
    return httpx.request(method, server.url + path, json={}, headers=headers, timeout=30)


def test_a_signed_token_says_who_asks(server: ServerProcess) -> None:
    thread = ask(server, token()).json()["thread_id"]
    assert ask(server, token(), "GET", f"/threads/{thread}").status_code == 200
    assert ask(server, token(sub="bob"), "GET", f"/threads/{thread}").status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda: token(exp=int(time.time()) - 1), id="over"),
        pytest.param(lambda: token(exp=None), id="without end"),
        pytest.param(lambda: token(aud="another server"), id="for another"),
        pytest.param(lambda: token(iss="https://elsewhere.example"), id="from another"),
        pytest.param(lambda: token(sub=None), id="of nobody"),
        pytest.param(lambda: token(key=STRANGERS), id="signed by another"),
        pytest.param(lambda: token(kid="unknown"), id="with an unknown key"),
        pytest.param(lambda: token(key="secret" * 8, algorithm="HS256"), id="signed with a shared secret"),
        pytest.param(lambda: token(key=None, algorithm="none"), id="not signed"),
        pytest.param(lambda: "a.b.c", id="nonsense"),
    ],
)
def test_any_other_token_is_refused(server: ServerProcess, wrong: Any) -> None:
    refused = ask(server, wrong())
    assert refused.status_code == 401
    assert refused.json()["detail"].startswith("Invalid token")


def test_only_scopes_that_carry_our_name_mean_something(server: ServerProcess) -> None:
    thread = ask(server, token()).json()["thread_id"]
    assert ask(server, token(sub="eve", scope="admin"), "GET", f"/threads/{thread}").status_code == 404
    assert (
        ask(server, token(sub="eve", scope="openid threadkeep:admin"), "GET", f"/threads/{thread}").status_code == 200
    )
    assert ask(server, token(scope="threadkeep:read_only")).status_code == 403


def test_a_token_is_no_way_in_where_the_keys_cannot_be_fetched(tmp_path_factory: pytest.TempPathFactory) -> None:
    environment = {"JWT_JWKS_URL": "http://127.0.0.1:9/jwks", "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE}
    data = tmp_path_factory.mktemp("unreachable")
    with running_server(data, config=GUARDED / "langgraph.json", environment=environment) as server:
        refused = ask(server, token())
    assert refused.status_code == 503
    assert "issuer cannot be reached" in refused.json()["detail"]
