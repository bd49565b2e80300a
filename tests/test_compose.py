"""compose.yaml: what its servers ask of PostgreSQL is what its PostgreSQL has."""

from __future__ import annotations

from typing import Any

import yaml

from tests.processes import ROOT
from threadkeep.storage.postgres_facts import CONNECTIONS_BESIDE_THE_POOL

RESERVED_FOR_SUPERUSERS = 3


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    return found


def test_the_clusters_connections_do_for_its_servers_and_one_that_replaces_another() -> None:
    postgres, replica = services()["postgres"], services()["replica"]
    [most] = [int(word.partition("=")[2]) for word in postgres["command"] if word.startswith("max_connections=")]
    each = int(replica["environment"]["DATABASE_POOL_SIZE"]) + CONNECTIONS_BESIDE_THE_POOL
    assert replica["deploy"]["replicas"] == 3
    assert most - RESERVED_FOR_SUPERUSERS >= each * (replica["deploy"]["replicas"] + 1)


def test_only_the_plain_server_starts_without_the_profile_and_no_port_is_open_to_others() -> None:
    assert [name for name, one in services().items() if "profiles" not in one] == ["threadkeep"]
    ports = [port for one in services().values() for port in one.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)
