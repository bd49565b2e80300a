"""Questions over three tables that only several look-ups, each with the result of the one before, can answer.

Tasks of the shape of LangChain's Relational Data: people, places and foods with ids that cannot be guessed, and a tool
for each column. Tables and questions are made here from a seed; they are not the original ones. The control guesses
that ids count up from 1.

Run: python -m bench.relational_data
"""

import asyncio
import os
import random
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("MODEL", "offline")

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import BaseTool, ToolException, tool

from bench.expressions import MARK, Call, ExpressionOracle
from bench.trajectories import Tally, Task, run, table, unlimited
from graphs import plan_execute, react

NAMES = ["Ada", "Bela", "Chidi", "Dana", "Emre", "Farah", "Goran", "Hana"]
CITIES = ["Accra", "Bern", "Cusco", "Dakar", "Espoo"]
FOODS = ["bread", "dates", "figs", "leeks", "olives", "rice"]


class Tables:
    """The seeded tables, and the tools that read them."""

    def __init__(self, seed: int = 1) -> None:
        chance = random.Random(seed)
        ids = iter(chance.sample(range(100, 1000), len(NAMES) + len(CITIES) + len(FOODS)))
        self.cities = {next(ids): {"name": city, "weather": f"{chance.randint(-9, 40)} degrees"} for city in CITIES}
        self.foods = {next(ids): {"name": food, "calories": str(chance.randint(20, 400))} for food in FOODS}
        self.people = {
            next(ids): {"name": name, "city": chance.choice([*self.cities]), "food": chance.choice([*self.foods])}
            for name in NAMES
        }

    def tools(self) -> list[BaseTool]:
        @tool
        def find_person(name: str) -> int:
            """Give the id of the person of that name."""
            found = [number for number, person in self.people.items() if person["name"] == name]
            if not found:
                raise ToolException(f"there is nobody called {name}")
            return found[0]

        @tool
        def city_of(person_id: int) -> str:
            """Give the id of the city where a person lives."""
            return _cell(self.people, person_id, "city")

        @tool
        def favourite_food_of(person_id: int) -> str:
            """Give the id of a person's favourite food."""
            return _cell(self.people, person_id, "food")

        @tool
        def name_of_city(city_id: int) -> str:
            """Give the name of a city."""
            return _cell(self.cities, city_id, "name")

        @tool
        def weather_in(city_id: int) -> str:
            """Give the weather in a city."""
            return _cell(self.cities, city_id, "weather")

        @tool
        def name_of_food(food_id: int) -> str:
            """Give the name of a food."""
            return _cell(self.foods, food_id, "name")

        @tool
        def calories_of(food_id: int) -> str:
            """Give the calories of a food."""
            return _cell(self.foods, food_id, "calories")

        return [find_person, city_of, favourite_food_of, name_of_city, weather_in, name_of_food, calories_of]

    def tasks(self) -> list[Task]:
        """Four questions on each person, three look-ups deep."""
        made = []
        for person in self.people.values():
            city, food = self.cities[person["city"]], self.foods[person["food"]]
            for last, via, right in (
                ("name_of_city", "city_of", city["name"]),
                ("weather_in", "city_of", city["weather"]),
                ("name_of_food", "favourite_food_of", food["name"]),
                ("calories_of", "favourite_food_of", food["calories"]),
            ):
                call = Call(last, (Call(via, (Call("find_person", (person["name"],)),)),))
                expected = ("find_person", via, last)
                made.append(Task(f"{MARK} {call}", lambda text, right=right: text == right, expected))
        return made


def _cell(rows: dict[int, dict[str, Any]], row: int, column: str) -> str:
    if row not in rows:
        raise ToolException(f"there is no id {row}")
    return str(rows[row][column])


class GuessingOracle(ExpressionOracle):
    """Does not look a person up: takes the id for the person's place in the alphabet."""

    def answer(
        self, messages: Sequence[BaseMessage], tools: list[dict[str, Any]], schema: dict[str, Any] | None
    ) -> AIMessage:
        guessed = []
        for message in messages:
            text = str(message.text)
            for place, name in enumerate(NAMES, start=1):
                text = text.replace(f'find_person("{name}")', str(place))
            guessed.append(message.model_copy(update={"content": text}))
        return super().answer(guessed, tools, schema)


async def measure() -> list[Tally]:
    tables, oracle, guessing = Tables(), ExpressionOracle(), GuessingOracle()
    kit, tasks = unlimited(tables.tools()), tables.tasks()
    return [
        await run("react", react.build(lambda choice: oracle, kit), tasks),
        await run("plan_execute", plan_execute.build(lambda choice: oracle, kit), tasks),
        await run("control: guessed ids", react.build(lambda choice: guessing, kit), tasks),
    ]


if __name__ == "__main__":
    print(table(asyncio.run(measure())))
