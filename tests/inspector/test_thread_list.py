"""The list of threads: found, opened, named, copied, deleted."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.inspector.page import Inspector
from tests.processes import running_server


def test_threads_are_listed_found_and_opened(inspector: Inspector) -> None:
    inspector.talk("what is 7 * 191?", "1337", assistant="react")
    thread = inspector.thread_id
    inspector.open()
    inspector.page.get_by_label("Search threads").fill("7 * 191")
    expect(inspector.list).to_have_count(1)
    expect(inspector.list).to_contain_text("idle")
    expect(inspector.list).to_contain_text("react")
    inspector.list.get_by_role("link").click()
    expect(inspector.answers.last).to_contain_text("1337")
    assert inspector.thread_id == thread


def test_a_thread_is_renamed_copied_and_deleted(inspector: Inspector) -> None:
    page = inspector.page
    inspector.talk("what is 6 * 8?", "48", assistant="react")
    original = inspector.thread_id
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Name of the thread").fill("Six times eight")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Six times eight")).to_be_visible()
    assert inspector.api("GET", f"/threads/{original}")["metadata"]["title"] == "Six times eight"

    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("heading", name="Six times eight (copy)")).to_be_visible()
    expect(inspector.answers.last).to_contain_text("48")
    copy = inspector.thread_id
    assert copy != original

    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="New thread")).to_be_visible()
    page.get_by_label("Search threads").fill("Six times eight")
    expect(inspector.list).to_have_count(1)
    left = {thread["thread_id"] for thread in inspector.api("POST", "/threads/search", {"limit": 1000})}
    assert original in left
    assert copy not in left


def test_the_status_in_the_list_follows_what_others_do(inspector: Inspector) -> None:
    thread = inspector.api("POST", "/threads", {"metadata": {"title": "Watched", "graph_id": "react"}})["thread_id"]
    inspector.open()
    inspector.page.get_by_label("Search threads").fill("Watched")
    expect(inspector.list).to_have_count(1)
    expect(inspector.list).to_contain_text("idle")
    inspector.api(
        "POST",
        f"/threads/{thread}/runs/wait",
        {
            "assistant_id": "react",
            "input": {"messages": [{"role": "user", "content": "what is 2 + 2?"}]},
            "context": {"approve_tools": ["calculator"]},
        },
    )
    expect(inspector.list).to_contain_text("interrupted")


def test_a_search_finds_threads_that_are_not_listed(page: Page, tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server:
        inspector = Inspector(page, server)
        body = {"message": "My hamster is called Frodo.", "user_id": "ada"}
        hidden = inspector.api("POST", "/chat", body)["thread_id"]
        inspector.api("PATCH", f"/threads/{hidden}", {"metadata": {"title": "Of small animals"}})
        for number in range(55):
            inspector.api("POST", "/threads", {"metadata": {"title": f"Other {number}"}})
        inspector.open()
        expect(inspector.list).to_have_count(50)
        for words in ("HAMSTER is", "small anim", "frodo", hidden[-12:]):
            page.get_by_label("Search threads").fill(words)
            expect(inspector.list).to_have_count(1)
            expect(inspector.list).to_contain_text("Of small animals")
        page.get_by_label("Search threads").fill("a word of none")
        expect(page.get_by_text("No thread matches.")).to_be_visible()
        page.get_by_label("Search threads").fill("Other 5")
        expect(inspector.list).to_have_count(6)
