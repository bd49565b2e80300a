"""An embedding whose nearness anybody can see: how often each letter occurs."""

import asyncio


async def count_letters(texts: list[str]) -> list[list[float]]:
    await asyncio.sleep(0)
    return [[float(text.lower().count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]
