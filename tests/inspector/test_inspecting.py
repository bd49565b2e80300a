"""Looking into a thread: its state, its checkpoints, its graph, its plan and its search tree; and going another way."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.inspector.page import Inspector
from tests.inspector.screenshots import FOLDER, picture_of_a_plan, picture_of_a_search, picture_of_a_trace
from tests.processes import ROOT


def test_the_state_is_a_tree_that_can_be_opened(inspector: Inspector) -> None:
    inspector.talk("what is 2 + 2?", "4", assistant="react")
    inspector.view("State")
    state = inspector.page.locator(".side")
    expect(state.get_by_text("what is 2 + 2?")).to_be_visible()
    calls = state.locator(".leaf").filter(has_text="model_calls: 2")
    expect(calls).to_be_hidden()
    state.get_by_text("spent:").click()
    expect(calls).to_be_visible()


def test_two_checkpoints_are_compared(inspector: Inspector) -> None:
    inspector.talk("what is 2 + 2?", "4", assistant="react")
    inspector.view("History")
    side = inspector.page.locator(".side")
    side.get_by_label("Compare step 0").check()
    side.get_by_label("Compare step 3").check()
    expect(side).to_contain_text("Step 0 compared with step 3")
    added = side.locator(".diff li.added").filter(has_text="messages > 1 (ai)")
    added.get_by_text("tool_calls:", exact=True).click()
    expect(added).to_contain_text("calculator")
    expect(side.locator(".diff li").filter(has_text="messages > 0")).to_have_count(0)


def test_a_message_is_edited_and_run_again_as_a_fork(inspector: Inspector) -> None:
    inspector.talk("what is 2 + 2?", "2 + 2 = 4", assistant="react")
    inspector.send("what is 5 + 5?")
    expect(inspector.answers.last).to_contain_text("5 + 5 = 10")
    expect(inspector.status).to_have_text("idle")
    inspector.questions.first.get_by_role("button", name="Edit").click()
    inspector.page.get_by_label("Edit the message").fill("what is 3 + 3?")
    inspector.page.get_by_role("button", name="Run again from here").click()
    expect(inspector.answers.last).to_contain_text("3 + 3 = 6")
    expect(inspector.questions).to_have_count(1)
    history = inspector.api("GET", f"/threads/{inspector.thread_id}/history?limit=100")
    assert any("5 + 5 = 10" in str(state["values"]) for state in history)


def test_an_answer_is_asked_for_again(inspector: Inspector) -> None:
    inspector.talk("what is 2 + 2?", "2 + 2 = 4", assistant="react")
    before = inspector.api("GET", f"/threads/{inspector.thread_id}/state")["values"]["messages"][-1]["id"]
    inspector.answers.last.get_by_role("button", name="Run again").click()
    expect(inspector.page.locator(f'article[data-id="{before}"]')).to_have_count(0)
    expect(inspector.answers.last).to_contain_text("2 + 2 = 4")
    expect(inspector.questions).to_have_count(1)


def test_an_older_checkpoint_is_looked_at_changed_and_gone_on_from(inspector: Inspector) -> None:
    inspector.talk("what is 2 + 2?", "2 + 2 = 4", assistant="react")
    page, side = inspector.page, inspector.page.locator(".side")
    inspector.view("History")
    side.get_by_role("button", name="Step 1").click()
    expect(side.get_by_role("heading", name="Step 1")).to_be_visible()
    side.get_by_role("button", name="Change the state").click()
    side.get_by_label("Values to write").fill('{"messages": [{"type": "human", "content": "what is 9 + 9?"}]}')
    side.get_by_role("button", name="Save as a new checkpoint").click()
    expect(side.get_by_role("button", name="update")).to_be_visible()
    expect(inspector.questions.last).to_contain_text("what is 9 + 9?")
    page.get_by_role("button", name="Go on", exact=True).click()
    expect(inspector.answers.last).to_contain_text("9 + 9 = 18")


def test_a_checkpoint_is_forked_and_written_from(inspector: Inspector) -> None:
    inspector.talk("My cat is called Tom. What is 2 + 2?", "4", assistant="react")
    inspector.send("what is 5 + 5?")
    expect(inspector.answers.last).to_contain_text("5 + 5 = 10")
    expect(inspector.status).to_have_text("idle")
    side = inspector.page.locator(".side")
    inspector.view("History")
    ends = side.get_by_role("button", name="end")
    expect(ends).to_have_count(2)
    ends.last.click()
    side.get_by_role("button", name="Fork").click()
    expect(side.get_by_role("button", name="fork")).to_be_visible()
    expect(inspector.questions).to_have_count(1)
    expect(ends).to_have_count(3)
    ends.nth(1).click()
    side.get_by_role("button", name="Write from here").click()
    inspector.send("what is 7 + 7?")
    expect(inspector.answers.last).to_contain_text("7 + 7 = 14")
    expect(inspector.questions).to_have_count(3)


def test_the_graph_is_drawn_with_the_node_at_work_lit(slow_inspector: Inspector) -> None:
    page = slow_inspector.open().page
    slow_inspector.send("tell me a story", assistant="react")
    slow_inspector.view("Graph")
    expect(page.locator('[data-node="call_model"]')).to_have_class("node running")
    expect(page.locator('[data-node="begin"]')).to_have_class("node done")
    expect(page.locator('[data-node="run_tool"]')).to_have_class("node")
    expect(page.get_by_text("At work: call_model")).to_be_visible()
    expect(slow_inspector.status).to_have_text("idle")
    expect(page.locator('[data-node="call_model"]')).to_have_class("node done")


def test_a_plan_is_a_checklist_with_what_each_step_needs_and_gave(slow_inspector: Inspector) -> None:
    page = slow_inspector.open().page
    slow_inspector.send("add 12 and 30, then multiply the result by 7", assistant="plan_execute")
    slow_inspector.view("Plan")
    second = page.locator('[data-step="s2"]')
    expect(second).to_contain_text("needs s1")
    expect(second).to_contain_text("294")
    expect(second).to_have_class("step done")
    expect(page.get_by_text("2 of 2 steps done")).to_be_visible()


def test_a_search_is_a_tree_with_values_and_its_chosen_path(inspector: Inspector) -> None:
    inspector.open()
    inspector.send("4 9 10 13", assistant="tree_of_thought")
    inspector.view("Tree")
    tree = inspector.page.locator(".tree")
    expect(tree.locator("[data-thought].chosen").last).to_contain_text("6 * 4 = 24")
    expect(tree.locator("[data-thought].chosen")).to_have_count(4)
    expect(tree).to_contain_text("value 60")
    expect(tree.get_by_text("9 + 4 = 13 (left: 10 13 13)")).to_have_count(0)
    inspector.page.get_by_label("show dropped").check()
    expect(tree.get_by_text("9 + 4 = 13 (left: 10 13 13)").first).to_be_visible()


def test_the_pictures_of_the_documents_can_be_taken(inspector: Inspector, tmp_path: Path) -> None:
    picture_of_a_trace(inspector, tmp_path)
    picture_of_a_plan(inspector, tmp_path)
    picture_of_a_search(inspector, tmp_path)
    documents = [ROOT / "README.md", ROOT / "docs" / "inspector.md"]
    shown = {Path(name).name for file in documents for name in re.findall(r"!\[.*?\]\((.+?)\)", file.read_text())}
    assert shown == {picture.name for picture in tmp_path.iterdir()} == {file.name for file in FOLDER.iterdir()}
