"""Whole numbers of any size: whatever a graph returns is written so that it can be read again."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import pytest

from threadkeep import json


class Huge(IntEnum):
    GOOGOL = 10**100


@pytest.mark.parametrize(
    ("number", "read"),
    [
        (2**64 - 1, 2**64 - 1),
        (-(2**63), -(2**63)),
        (2**64, 1.8446744073709552e19),
        (-(2**63) - 1, -9.223372036854775808e18),
        (Huge.GOOGOL, 1e100),
        (10**400, "1" + "0" * 400),
        (-(10**400), "-1" + "0" * 400),
        (16**5000, "0x1" + "0" * 5000),
    ],
    ids=["most", "least", "past most", "past least", "enum", "no fraction", "negative", "endless"],
)
def test_a_whole_number_reads_back_or_as_what_is_nearest_to_it(number: int, read: Any) -> None:
    told = json.loads(json.dumps({"n": number, "in": [{"n": number}], "said": "é"}))
    assert told == {"n": read, "in": [{"n": read}], "said": "é"}
    assert type(told["n"]) is type(read)


@pytest.mark.parametrize(
    ("key", "read"), [(2**65, str(2**65)), (16**5000, "0x1" + "0" * 5000)], ids=["long", "endless"]
)
def test_a_whole_number_as_a_key_is_its_digits(key: int, read: str) -> None:
    assert json.loads(json.dumps({key: 1})) == {read: 1}
