"""Several people, several threads: each sees its own and nobody else's, and starting over touches nobody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote
from uuid import uuid4

import httpx

from tests.acceptance.talking import chat, new_thread, said


def somebody() -> str:
    return f"user-{uuid4().hex[:8]}"


def test_two_users_who_talk_at_the_same_time_never_see_each_others_messages(http: httpx.Client) -> None:
    ada, bob = somebody(), somebody()

    def talk(user: str, name: str) -> list[str]:
        messages = [f"My name is {name}.", "What is my name?", f"My pet is {name}s cat.", "What is my pet?"]
        return [chat(http, message, user_id=user)["response"] for message in messages]

    with ThreadPoolExecutor(2) as pool:
        hers, his = pool.map(talk, [ada, bob], ["Ada", "Bob"])
    assert hers[1::2] == ["Your name is Ada.", "Your pet is Adas cat."]
    assert his[1::2] == ["Your name is Bob.", "Your pet is Bobs cat."]
    for user, foreign in ((ada, "Bob"), (bob, "Ada")):
        (thread,) = http.get(f"/users/{user}/threads").json()
        talk_of_user = said(http, thread["thread_id"])
        assert len(talk_of_user) == 8
        assert not any(foreign in text for _, text in talk_of_user)


def test_two_threads_of_one_user_do_not_share_what_was_said(http: httpx.Client) -> None:
    user = somebody()
    first = chat(http, "My name is Ada.", user_id=user, graph="react")
    second = chat(http, "What is my name?", user_id=user, graph="plan_execute")
    assert second["thread_id"] != first["thread_id"]
    assert second["response"] == "You have not told me your name in this thread."
    assert chat(http, "What is my name?", user_id=user, graph="react")["thread_id"] == first["thread_id"]


def test_without_a_user_each_message_starts_a_thread_of_its_own(http: httpx.Client) -> None:
    first = chat(http, "My name is Ada.")
    second = chat(http, "What is my name?")
    assert first["thread_id"] != second["thread_id"]
    assert second["response"] == "You have not told me your name in this thread."
    assert chat(http, "What is my name?", thread_id=first["thread_id"])["response"] == "Your name is Ada."


def test_another_users_thread_is_not_there(http: httpx.Client) -> None:
    ada = somebody()
    thread_id = chat(http, "My name is Ada.", user_id=ada)["thread_id"]
    for stranger in (somebody(), None):
        reply = http.post("/chat", json={"message": "What is my name?", "user_id": stranger, "thread_id": thread_id})
        assert reply.status_code == 404, reply.text
        assert reply.json()["detail"] == f"Thread with ID {thread_id} not found"
    assert len(said(http, thread_id)) == 2
    assert chat(http, "What is my name?", user_id=ada, thread_id=thread_id)["response"] == "Your name is Ada."


def test_starting_over_keeps_the_old_thread_and_leaves_others_alone(http: httpx.Client) -> None:
    ada, bob = somebody(), somebody()
    old = chat(http, "My name is Ada.", user_id=ada)["thread_id"]
    other_graph = chat(http, "My name is Ada.", user_id=ada, graph="plan_execute")["thread_id"]
    bobs = chat(http, "My name is Bob.", user_id=bob)["thread_id"]

    fresh = http.post("/reset", json={"user_id": ada}).json()
    assert fresh == {"thread_id": fresh["thread_id"], "user_id": ada, "graph": "react"}
    assert fresh["thread_id"] != old

    after = chat(http, "What is my name?", user_id=ada)
    assert after["thread_id"] == fresh["thread_id"]
    assert after["response"] == "You have not told me your name in this thread."
    assert chat(http, "What is my name?", user_id=ada, thread_id=old)["response"] == "Your name is Ada."
    assert chat(http, "What is my name?", user_id=ada, graph="plan_execute")["thread_id"] == other_graph
    bob_again = chat(http, "What is my name?", user_id=bob)
    assert (bob_again["thread_id"], bob_again["response"]) == (bobs, "Your name is Bob.")


def test_a_users_threads_are_listed_newest_first_with_their_last_message(http: httpx.Client) -> None:
    ada = somebody()
    first = chat(http, "My name is Ada.", user_id=ada)["thread_id"]
    http.post("/reset", json={"user_id": ada})
    second = chat(http, "what is 2 + 2?", user_id=ada)["thread_id"]
    listed = http.get(f"/users/{ada}/threads").json()
    assert [row["thread_id"] for row in listed] == [second, first]
    assert [row["last_message"] for row in listed] == ["2 + 2 = 4", "Noted: your name is Ada."]
    assert [row["graph"] for row in listed] == ["react", "react"]
    assert listed[0]["updated_at"] > listed[1]["updated_at"]
    assert http.get(f"/users/{somebody()}/threads").json() == []
    assert [row["thread_id"] for row in http.get(f"/users/{ada}/threads?limit=1&offset=1").json()] == [first]


def test_a_thread_made_over_the_api_is_everybodys_to_chat_on(http: httpx.Client) -> None:
    thread_id = new_thread(http)
    answer = chat(http, "My name is Ada.", thread_id=thread_id)
    assert answer["thread_id"] == thread_id
    assert answer["graph"] == "react"
    assert chat(http, "What is my name?", thread_id=thread_id)["response"] == "Your name is Ada."


def test_messages_to_a_busy_thread_wait_their_turn(trial_http: httpx.Client) -> None:
    thread_id = new_thread(trial_http)
    given = {"assistant_id": "slow", "input": {"steps": 3, "seconds": 0.3}}
    slow = trial_http.post(f"/threads/{thread_id}/runs", json=given).json()
    reply = trial_http.post(f"/threads/{thread_id}/runs/wait", json={**given, "input": {"steps": 1}})
    assert reply.status_code == 200
    runs = {run["run_id"]: run for run in trial_http.get(f"/threads/{thread_id}/runs").json()}
    assert [run["status"] for run in runs.values()] == ["success", "success"]
    assert runs[slow["run_id"]]["updated_at"] < max(run["updated_at"] for run in runs.values())


def test_what_is_remembered_of_a_user_can_be_seen_switched_off_and_forgotten(http: httpx.Client) -> None:
    ada, bob = (f"{name}.{uuid4().hex}@example.org 语" for name in ("ada", "bob"))
    for user in (ada, bob):
        chat(http, "remember that my tea is green", user_id=user)
    place = f"/users/{quote(ada, safe='')}/memory"
    seen = http.get(place).json()
    assert (seen["on"], seen["preferences"]["tea"]["value"], seen["notes"]) == (True, "green", {})
    assert http.put(place, json={"on": False}).json() == {"on": False}
    http.post("/reset", json={"user_id": ada})
    assert chat(http, "what is my tea?", user_id=ada)["response"] == "You have not told me your tea in this thread."
    refused = chat(http, "remember that my tea is black", user_id=ada)["response"]
    assert "the user has switched memory off" in refused
    assert http.get(place).json()["preferences"]["tea"]["value"] == "green"
    assert http.delete(place).json() == {"forgotten": 1}
    assert http.get(place).json() == {"on": False, "preferences": {}, "notes": {}}
    http.post("/reset", json={"user_id": bob})
    assert chat(http, "what is my tea?", user_id=bob)["response"] == "Your tea is green."
    assert http.put(place, json={"on": "perhaps"}).status_code == 422
