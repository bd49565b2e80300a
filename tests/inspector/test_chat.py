"""Talking to an agent in the browser: live tokens, tools, stopping, going on after whatever breaks."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Request, Route, expect

from tests.inspector.page import Inspector
from tests.inspector.relay import relayed

WHOLE = re.compile(r"I am the offline model: .* I cannot answer this\.")


def test_a_message_is_answered_with_the_tool_call_and_its_result(inspector: Inspector) -> None:
    inspector.open()
    inspector.send("what is 17.5% of 2,340?", assistant="react")
    expect(inspector.answers.last).to_contain_text("17.5% of 2,340 = 409.5")
    call = inspector.page.locator("details.call")
    expect(call).to_contain_text("calculator")
    expect(call).to_contain_text("409.5")
    expect(call.locator(".badge")).to_have_text("done")
    expect(inspector.questions).to_have_count(1)
    expect(inspector.status).to_have_text("idle")


def test_tokens_appear_one_by_one_and_the_run_can_be_stopped(slow_inspector: Inspector) -> None:
    slow_inspector.open()
    slow_inspector.send("tell me a story", assistant="react")
    growing = slow_inspector.page.locator("article.growing")
    expect(growing).to_contain_text("I am the")
    expect(growing).not_to_contain_text("I cannot answer this.")
    slow_inspector.page.get_by_role("button", name="Stop").click()
    expect(slow_inspector.status).to_have_text("interrupted")
    expect(growing).to_have_count(0)
    expect(slow_inspector.page.get_by_role("button", name="Go on")).to_be_visible()


def test_a_reload_in_mid_stream_goes_on_from_where_the_page_was(slow_inspector: Inspector) -> None:
    page = slow_inspector.open().page
    slow_inspector.send("tell me a story", assistant="react")
    expect(page.locator("article.growing")).to_contain_text("I am the")
    joined: list[str] = []
    page.on("request", lambda request: joined.extend(last_event_id(request)))
    page.reload()
    expect(page.locator("article.growing")).to_contain_text("I am the")
    expect(slow_inspector.answers.last).to_contain_text(WHOLE)
    expect(slow_inspector.answers).to_have_count(1)
    expect(slow_inspector.questions).to_have_count(1)
    expect(slow_inspector.status).to_have_text("idle")
    assert int(joined[0]) > 1


def last_event_id(request: Request) -> list[str]:
    return [request.headers["last-event-id"]] if "last-event-id" in request.headers else []


def test_a_connection_that_is_cut_heals_by_itself(slow_inspector: Inspector) -> None:
    with relayed(slow_inspector.server.url) as relay:
        slow_inspector.address = relay.url
        page = slow_inspector.open().page
        slow_inspector.send("tell me a story", assistant="react")
        expect(page.locator("article.growing")).to_contain_text("I am the")
        joined: list[str] = []
        page.on("request", lambda request: joined.extend(last_event_id(request)))
        relay.cut()
        expect(slow_inspector.answers.last).to_contain_text(WHOLE)
        expect(slow_inspector.answers).to_have_count(1)
        expect(slow_inspector.status).to_have_text("idle")
        assert int(joined[0]) > 1


def test_a_server_that_dies_in_mid_stream_and_comes_back_is_followed_to_the_end(slow_inspector: Inspector) -> None:
    page = slow_inspector.open().page
    slow_inspector.send("tell me a story", assistant="react")
    expect(page.locator("article.growing")).to_contain_text("I am the")
    slow_inspector.server.kill()
    expect(page.get_by_text("The connection is cut.")).to_be_visible()
    slow_inspector.server.restart()
    expect(slow_inspector.answers.last).to_contain_text(WHOLE)
    expect(slow_inspector.answers).to_have_count(1)
    expect(slow_inspector.status).to_have_text("idle")


def test_a_run_that_another_client_starts_on_the_open_thread_is_shown_too(slow_inspector: Inspector) -> None:
    thread = slow_inspector.api("POST", "/threads", {"metadata": {"graph_id": "react"}})["thread_id"]
    slow_inspector.open(f"t/{thread}")
    expect(slow_inspector.status).to_have_text("idle")
    message = {"role": "user", "content": "tell me a story"}
    run = {"assistant_id": "react", "input": {"messages": [message]}}
    slow_inspector.api("POST", f"/threads/{thread}/runs", run)
    expect(slow_inspector.answers.last).to_contain_text(WHOLE)
    expect(slow_inspector.questions).to_have_text(re.compile("tell me a story"))


def test_a_message_whose_answer_was_lost_is_sent_again_and_runs_once(inspector: Inspector) -> None:
    inspector.talk("what is 2 + 2?", "4", assistant="react")
    lost: list[str] = []

    def lose_the_first_answer(route: Route) -> None:
        if route.request.method == "POST" and not lost:
            lost.append(route.fetch().text())
            route.abort()
        else:
            route.continue_()

    inspector.page.route("**/threads/*/runs", lose_the_first_answer)
    inspector.send("what is 3 + 3?")
    expect(inspector.answers.last).to_contain_text("3 + 3 = 6")
    expect(inspector.status).to_have_text("idle")
    assert len(lost) == 1
    assert len(inspector.api("GET", f"/threads/{inspector.thread_id}/runs")) == 2
    expect(inspector.questions).to_have_count(2)


def test_a_message_waits_its_turn_and_belongs_to_the_user_named(slow_inspector: Inspector) -> None:
    page = slow_inspector.open().page
    page.get_by_label("for user").fill("ada")
    slow_inspector.send("tell me a story", assistant="react")
    expect(page.locator("article.growing")).to_contain_text("I am the")
    slow_inspector.send("what is 2 + 2?")
    expect(slow_inspector.questions).to_have_count(2)
    expect(slow_inspector.answers.last).to_contain_text("2 + 2 = 4")
    expect(slow_inspector.status).to_have_text("idle")
    expect(slow_inspector.questions).to_have_count(2)
    runs = slow_inspector.api("GET", f"/threads/{slow_inspector.thread_id}/runs")
    assert [run["kwargs"]["config"]["configurable"]["user_id"] for run in runs] == ["ada", "ada"]


def test_what_cannot_be_sent_stays_in_the_field_with_the_reason(inspector: Inspector) -> None:
    inspector.talk("what is 2 + 2?", "4", assistant="react")
    inspector.page.route("**/threads/*/runs", lambda route: route.abort())
    inspector.send("what is 3 + 3?")
    expect(inspector.page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    expect(inspector.page.get_by_label("Message", exact=True)).to_have_value("what is 3 + 3?")
    expect(inspector.questions).to_have_count(1)


def test_what_a_model_writes_can_run_nothing_and_load_nothing(inspector: Inspector, complaints: list[str]) -> None:
    hostile = (
        "**bold** <script>window.pwned = 1</script><img src=x onerror='window.pwned = 2'>"
        "<img src='https://evil.example/pixel.png'> ![pixel](https://evil.example/p.png)\n\n"
        "[link](javascript:window.pwned=3) <a href='data:text/html,<script>1</script>'>data</a> "
        "<iframe src='https://evil.example'></iframe><form action='/threads'><input name=x></form>"
        "<style>body{display:none}</style><svg onload='window.pwned=4'></svg><b id=content style='color:red'>b</b>"
    )
    thread = inspector.api("POST", "/threads", {"metadata": {"graph_id": "react"}})["thread_id"]
    update = {"values": {"messages": [{"type": "ai", "content": hostile}]}, "as_node": "respond"}
    inspector.api("POST", f"/threads/{thread}/state", update)
    asked: list[str] = []
    inspector.page.on("request", lambda request: asked.append(request.url))
    inspector.open(f"t/{thread}")
    expect(inspector.answers.locator("strong")).to_have_text("bold")
    assert inspector.page.evaluate("window.pwned") is None
    # The policy stands behind the sanitiser: it stops handlers already while they are parsed to be taken out.
    assert all("Content Security Policy" in one and "blocked" in one for one in complaints)
    complaints.clear()
    assert [url for url in asked if not url.startswith(inspector.server.url)] == []
    answer = inspector.answers
    assert answer.locator("script, img, iframe, form, input, style, svg, [style], [id]").count() == 0
    assert [href for href in hrefs(inspector.page) if not href.startswith(("http", "mailto"))] == []


def hrefs(page: Page) -> list[str]:
    found: list[str] = page.locator("article.ai a[href]").evaluate_all("all => all.map((one) => one.href)")
    return found
