"""Values that Python has and JSON lacks, in a state."""

import re
from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    found: dict[str, Any]


async def find(state: State) -> State:
    return {
        "found": {
            "price": Decimal("1.10"),
            "raw": b"\xff\x00",
            "after": timedelta(seconds=5),
            "file": Path("a/b"),
            "pattern": re.compile("a.b"),
            "address": ip_address("::1"),
        }
    }


graph = StateGraph(State).add_node("find", find).add_edge(START, "find").compile()
