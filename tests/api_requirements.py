"""The manifest of the Agent Server API: what must hold, where that is said, and where we differ on purpose.

Tests name the rows they show with `@requirement("...")`; `test_api_requirements.py` fails when a row has no test, or a
test names no row. Sources: `REF` the reference server as measured, `SDK` langgraph-sdk (Python), `JS` the JavaScript
SDK, `RG` RemoteGraph, `UI` agent-chat-ui and Studio, `OURS` a promise of our own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Requirement:
    source: str
    behaviour: str
    divergence: str | None = None
    """How the reference server differs, where it is wrong or says less."""


def requirement(*ids: str) -> Callable[[T], T]:
    """Say which rows a test shows."""
    for row in ids:
        if row not in REQUIREMENTS:
            raise KeyError(f"{row} is not in the manifest")
    return lambda test: test


R = Requirement

REQUIREMENTS: dict[str, Requirement] = {
    # --- Assistants
    "assistants.create": R("SDK", "Makes version 1 of a served graph (or 404), `Untitled` unless named."),
    "assistants.create.exists": R("SDK", "An id that is taken is 409, or with if_exists=do_nothing the one there."),
    "assistants.create.context": R("REF", "context and config.configurable are mirrored; contradicting ones are 400."),
    "assistants.search": R("SDK", "By graph, part of the name, metadata; sorted, selected, paged with a true total."),
    "assistants.count": R("SDK", "A bare integer."),
    "assistants.get.id": R("REF", "Ids are UUIDs: a graph's name is 422, an unknown id 404."),
    "assistants.update": R("SDK", "Makes the next version; metadata is merged, what is not given stays."),
    "assistants.delete": R("SDK", "204, then 404; with delete_threads its threads go too."),
    "assistants.versions": R("SDK", "Newest first, filtered by metadata, paged, without updated_at."),
    "assistants.latest": R(
        "SDK", "Restores a version whole; an unknown one is 404.", "The reference keeps the newer context."
    ),
    "assistants.system.ids": R("REF", "One per graph under uuid5 of its name, created_by system, version 1."),
    "assistants.system.kept": R(
        "OURS", "A system assistant cannot be deleted.", "The reference deletes it; the graph is then unusable by name."
    ),
    "assistants.graph": R("SDK", "Nodes and edges by id or graph name; xray looks into subgraphs, xray=0 is 422."),
    "assistants.schemas": R("SDK", "JSON schemas of input, output, state, config and context."),
    "assistants.subgraphs": R("SDK", "Schemas by namespace, recursively if asked; an unknown namespace is empty."),
    "assistants.run_by_name_or_id": R("REF", "Run bodies take a graph's name, a system id, or an assistant's id."),
    "assistants.context_reaches_nodes": R("OURS", "An assistant's context reaches its runs; the run's own wins."),
    # --- Store
    "store.items": R("SDK", "put, get, overwrite, delete; deleting what is not there succeeds."),
    "store.items.wire": R("REF", "PUT is 204 without a body; GET joins labels with dots; a missing item is 200 null."),
    "store.search": R("SDK", "Items under a namespace by equal fields or comparisons, paged, each with a score."),
    "store.search.operators": R(
        "SDK", "$eq $ne $gt $gte $lt $lte; an unknown operator is 422.", "The reference answers $gt with 500."
    ),
    "store.search.meaning": R(
        "SDK", "With store.index, a query finds the nearest first, with scores; what has no embedding comes last."
    ),
    "store.created_at": R("OURS", "An overwrite keeps created_at.", "The stock SQLite store resets it."),
    "store.ttl": R("SDK", "An item past its ttl is not there.", "The reference does not enforce it."),
    "store.nodes": R("REF", "Async and plain nodes reach the same store, search by meaning included."),
    "store.index.changed": R("OURS", "Another embedding than the stored ones stops the start, and names `reindex`."),
    "store.embedding.fails": R("OURS", "An embedding that cannot be had is 503 in words, and nothing is stored."),
    "config.wrong": R("OURS", "A wrong value stops the start with its path and what is allowed."),
    "config.store_path": R("REF", "store.path and checkpointer.path: an object, a function or a context manager."),
    "config.broken_graph": R("OURS", "Whatever importing a graph raises stops the start, with graph, file and line."),
    "config.serde": R("REF", "checkpointer.serde names the types that come back; others are plain data."),
    "config.warnings": R("OURS", "Keys without effect are named in the log.", "The reference drops them silently."),
    "store.namespaces": R(
        "SDK", "Listed by prefix, suffix, `*` and depth.", "The reference makes a namespace that is only read."
    ),
    "store.namespaces.rules": R("REF", "Empty and `langgraph` roots are 400, labels with a period 422, as JSON."),
    # --- Threads
    "threads.create": R("SDK", "A new thread is idle, without values, under a UUIDv7; `{}` is enough, no body is 422."),
    "threads.create.exists": R("SDK", "A taken id is 409, or with if_exists=do_nothing the thread there, unchanged."),
    "threads.ids": R("REF", "A bad id is 422, an unknown one 404, on every route."),
    "threads.ttl": R(
        "SDK", "ttl in minutes or {ttl, strategy}; include=ttl shows it.", "The reference does not show or enforce it."
    ),
    "threads.ttl.default": R(
        "REF", "checkpointer.ttl is the ttl of new threads that ask for none.", "The reference does not enforce it."
    ),
    "threads.ttl.enforced": R(
        "SDK", "What is past its ttl goes: the thread, or with keep_latest its past.", "The reference keeps it."
    ),
    "threads.ttl.race": R("OURS", "A run that comes as its thread expires or is deleted is refused, or finished."),
    "threads.supersteps": R("SDK", "State to be born with, by values or commands as nodes; all of it or no thread."),
    "threads.update": R("SDK", "PATCH merges metadata; Prefer: return=minimal answers 204."),
    "threads.search": R("SDK", "By metadata (contained), status, ids; sorted and paged."),
    "threads.search.text": R(
        "OURS", "By words of a title, of a first or last message, or of an id, in any case; with every other filter."
    ),
    "threads.search.total": R(
        "REF", "X-Pagination-Total is the true total.", "The reference shows offset + returned + 1."
    ),
    "threads.search.values": R(
        "SDK", "By part of the state; threads without state do not match.", "The reference answers 500 for those."
    ),
    "threads.search.select": R("SDK", "Only the fields selected."),
    "search.select": R("REF", "A field that assistants, threads, crons or runs do not have is 422, in every search."),
    "threads.search.extract": R("SDK", "Paths into rows, negative places too; null for nothing, 422 for no path."),
    "threads.count": R("SDK", "A bare integer, with the same filters as search."),
    "threads.copy": R(
        "SDK",
        "A thread of its own with checkpoints, values and interrupts, without runs; 404 without a source.",
        "The reference shows no values, and 409 for a missing source.",
    ),
    "threads.usage": R(
        "OURS", "A thread says what its ended runs used in all; a run what it used, and its cost if known."
    ),
    "threads.prune": R(
        "SDK", "delete, or keep_latest; unknown ids are not counted.", "The reference cannot keep_latest."
    ),
    "threads.delete": R("SDK", "Runs are stopped, state and runs go; the id is as if it had never been."),
    "threads.storage": R("REF", "Bytes in all, by kind and by channel."),
    # --- State
    "state.empty": R(
        "REF",
        "Before the first run: values {}, next [], no checkpoint; history [].",
    ),
    "state.now": R("SDK", "The fields of ThreadState, checkpoint and parent also by id."),
    "state.select": R("SDK", "Only the fields selected; values.<key> one key.", "The reference ignores select."),
    "state.checkpoint": R(
        "SDK",
        "By id or by checkpoint, of this thread only; without an id the newest.",
        "The reference answers an unknown checkpoint with 200 and an empty state.",
    ),
    "state.subgraphs": R(
        "SDK",
        "subgraphs=true nests the states of waiting subgraphs, which can be read and changed by their checkpoint.",
        "The reference puts a subgraph's state into the thread's values.",
    ),
    "state.subgraphs.run": R("OURS", "A run may start at a subgraph's checkpoint, and does there what LangGraph does."),
    "state.types": R(
        "OURS", "A thread whose state holds the graph's own classes is resumed without a warning about them."
    ),
    "state.update": R("SDK", "Writes as a node; next and the thread's status follow; an unknown node is 400."),
    "state.update.fork": R("SDK", "At an older checkpoint it makes a fork; an unknown one is 404."),
    "state.update.copy": R("UI", "as_node __copy__ repeats a checkpoint as a fork with the same next (Studio)."),
    "state.update.busy": R("OURS", "A busy thread is 409 in plain words.", "The reference shows the run's insides."),
    "state.update.race": R("OURS", "A run accepted meanwhile waits for the update; updates of one thread take turns."),
    "state.unreadable": R(
        "OURS",
        "What LangGraph cannot apply or validate hides no thread: it shows as it was stored, without what waits.",
        "The reference answers reads and lists with 500.",
    ),
    "history.filters": R(
        "SDK",
        "limit, before (id, checkpoint or config), metadata, checkpoint, select.",
        "The reference fails on before.",
    ),
    # --- Runs
    "runs.create": R("SDK", "A pending record at once; its thread is stamped with graph and assistant."),
    "runs.wait": R("SDK", "The final values as JSON."),
    "runs.wait.error": R("REF", "A failure is 200 with __error__, of the last run and of any joined later."),
    "runs.error": R("OURS", "The error's own words in run, thread and stream.", "The reference masks most of them."),
    "runs.list": R("SDK", "Newest first, by status, paged, in part."),
    "runs.get": R("SDK", "By thread and id; another thread's or an unknown one is 404."),
    "runs.delete": R(
        "SDK",
        "A running one is stopped first, its thread freed, its checkpoints removed.",
        "The reference lets it run on and leaves the thread busy for ever.",
    ),
    "runs.join": R("SDK", "Any number, before and after the end; what a run answered stays. Unknown is 404."),
    "runs.stateless": R("SDK", "A thread of its own that goes with it; on_completion=keep keeps it."),
    "runs.stateless.location": R(
        "OURS", "Location works while the run lives, and of a resumable one after it.", "The reference's is a 404."
    ),
    "runs.batch": R("SDK", "All or none."),
    "runs.trace": R(
        "OURS", "Every node, model call and tool call with what it was sent and gave, its time, tokens and cost."
    ),
    "runs.trace.gone": R("OURS", "A trace goes with its run, its thread and its user, with all that only it held."),
    "runs.trace.setting": R("OURS", "TRACES=metadata keeps no messages, off nothing; keys are masked in all."),
    "runs.feedback": R("OURS", "A thumb and a note, kept with the run, replaced by PUT, taken back by an empty one."),
    "runs.refused": R(
        "OURS",
        "Unknown graph, assistant, thread, checkpoint (404), node, mode, context (422): nothing is stored.",
        "The reference starts empty from an unknown checkpoint and takes unknown nodes.",
    ),
    "runs.if_not_exists": R("SDK", "create makes the thread; reject (the default) is 404."),
    "runs.after_seconds": R("SDK", "The run is pending until then, and others pass it."),
    "runs.unknown_fields": R("JS", "null, unknown fields, text/plain bodies and feedback_keys are accepted."),
    "runs.durability": R("SDK", "exit keeps one checkpoint of a run; async and sync (the default) all."),
    "runs.config": R("SDK", "configurable, ids and recursion_limit reach the nodes."),
    "runs.config.metadata": R(
        "REF", "metadata of assistant, its config and the request's config reach nodes and checkpoints; later ones win."
    ),
    "runs.config.concurrency": R("RG", "config.max_concurrency bounds the tasks that a run carries out at once."),
    "runs.config.wrong": R("OURS", "A config of the wrong form is 422 for runs, crons and assistants."),
    "runs.factory": R("REF", "A graph factory is called with the run's configuration."),
    "runs.factory.thread": R("REF", "Whoever makes a thread's graph again tells its factory what its run was told."),
    "runs.factory.fails": R(
        "OURS",
        "A factory that fails is 503 with its own words, masked; lists show the thread as it is stored.",
        "The reference answers 500.",
    ),
    # --- Stream modes
    "modes.values": R("REF", "values: the whole state; __interrupt__ [{id, value, response_schema}] at a stop."),
    "modes.updates": R("REF", "updates: {node: update}; __interrupt__ with what is asked, [] for a stop at a node."),
    "modes.messages_tuple": R("REF", "messages-tuple: event messages, [chunk, metadata]; the last is marked."),
    "modes.messages": R("REF", "messages: messages/metadata, /partial as it grows, /complete when it came whole."),
    "modes.custom": R("REF", "custom: what nodes write."),
    "modes.tasks": R("REF", "tasks: a start and an end of each task."),
    "modes.checkpoints": R("REF", "checkpoints: states.", "The reference shows private configuration keys."),
    "modes.debug": R("REF", "debug: {step, timestamp, type, payload}."),
    "modes.tools": R("JS", "tools: on_tool_start, on_tool_end, on_tool_error by call.", "The reference answers 422."),
    "modes.lifecycle": R("JS", "lifecycle|namespace: started, then how it ended.", "The reference answers 422."),
    "modes.events": R("REF", "events: astream_events v2, and all other modes unchanged beside it."),
    "modes.subgraphs": R("REF", "stream_subgraphs appends |namespace to the event names."),
    "modes.unknown": R("REF", "422."),
    "values.rare": R(
        "REF",
        "Decimal is a number, bytes base64, timedelta seconds, Send {node, args}; paths, patterns, addresses are text.",
        "The reference fails on keys that are neither text nor a number.",
    ),
    # --- Streams
    "streams.headers": R("REF", "Location and Content-Location come first, in every form."),
    "streams.cors": R("JS", "Loopback browsers may read Location and paging.", "The reference hides Location."),
    "streams.frames": R("REF", "event, data, id; CRLF; ids only of resumable runs, dense from 1; one end frame, last."),
    "streams.replay.after": R("SDK", "An ended resumable run is replayed from any id; -1, 0 and - mean all."),
    "streams.replay.live": R("SDK", "Any reader, coming back at any frame of a live run, sees each frame once."),
    "streams.join.live": R("REF", "Without an id: what is still to come; of an ended run its end. Unknown is 404."),
    "streams.end": R(
        "OURS",
        "end when and only when the run has ended, with its status.",
        "The reference sends none and just closes.",
    ),
    "streams.heartbeat": R("JS", "`: heartbeat` on a silent stream, a newline before a late answer of wait."),
    "streams.cut": R(
        "OURS", "A stopping server cuts; after a restart the same frames go on.", "The reference closes as if finished."
    ),
    "streams.blocking": R("OURS", "Sync nodes that block hold up no other stream."),
    "streams.blocking.stop": R("OURS", "A blocked sync node does not hold up a stop; its run goes on after it."),
    "streams.disconnect": R("SDK", "on_disconnect=cancel interrupts the run, continue (the default) does not."),
    "streams.thread": R("SDK", "Every run in turn, growing ids, run_done after each; lifecycle, state_update."),
    # --- Interrupts, commands, checkpoints
    "interrupts.shown": R("REF", "wait and streams: {value, id, response_schema}; threads and states: {id, value}."),
    "interrupts.resume": R("SDK", "resume with a value or {interrupt id: value}; the run that asked is a success."),
    "interrupts.resume.stale": R("REF", "Nothing to resume: the values again."),
    "interrupts.ui": R("UI", "command wins over input {}, and may come with a checkpoint without thread_id."),
    "interrupts.nodes": R("SDK", "interrupt_before and interrupt_after, by name or `*`; input null goes on."),
    "command.goto": R("SDK", "A node, a Send, a list of them, or `__end__`."),
    "command.update": R("SDK", "An object or pairs."),
    "runs.checkpoint": R(
        "SDK", "By id, checkpoint or configurable: a fork; unknown is 404.", "The reference starts empty instead."
    ),
    # --- Multitask and cancel
    "multitask.reject": R("SDK", "409 while another run is active."),
    "multitask.enqueue": R("SDK", "The default: waits, in order of acceptance."),
    "multitask.interrupt": R("SDK", "Stops what runs and waits, and goes on from what was done."),
    "multitask.rollback": R("SDK", "Undoes what runs, with its checkpoints and its record."),
    "multitask.together": R("OURS", "Runs that start at the same moment leave one consistent thread."),
    "cancel.interrupt": R("REF", "Run and thread are interrupted, checkpoints stay; wait answers {}; ended is 404."),
    "cancel.reason": R("JS", "A cancelled run's cancel_reason says why; `taken:` when reason=taken was sent."),
    "cancel.rollback": R("REF", "Run and checkpoints are gone, the thread is idle with its earlier values."),
    "cancel.pending": R("REF", "202, interrupted at once."),
    "cancel.many": R("SDK", "By thread and run ids or by status: 204, 404 when nothing was active, `{}` is 422."),
    # --- Crons
    "crons.create": R("SDK", "On a thread, or with a thread for each run; the record shows payload and next_run_date."),
    "crons.refused": R(
        "REF", "A bad schedule, time zone or end, an unknown assistant, thread or node: refused in words, not stored."
    ),
    "crons.search": R(
        "SDK", "By assistant (id or graph), thread, enabled, metadata; sorted, selected, paged, counted."
    ),
    "crons.update": R("SDK", "What is given changes, metadata is merged; end_time null takes the end away."),
    "crons.delete": R("SDK", "204, then 404; a thread's crons go with it."),
    "crons.fire": R(
        "OURS",
        "A run at its time, with all that was asked and cron_id in configurable.",
        "The reference polls every 5 s.",
    ),
    "crons.once": R("OURS", "No time twice, whatever dies in between; times missed are made up for by one run."),
    "crons.thread": R("SDK", "Stateless runs' threads go unless on_run_completed is keep."),
    "sync.crons": R("SDK", "Every method of the sync crons client."),
    # --- Webhooks
    "webhooks.payload": R(
        "REF",
        "POSTed at every end of a run: the run, run_started_at, run_ended_at, webhook_sent_at, values, error.",
        "The reference tells nothing of the values of stateless runs.",
    ),
    "webhooks.delivery": R(
        "OURS",
        "Stored with the run's end; tried again under one webhook-id until taken, also after a restart.",
        "The reference tries once.",
    ),
    "webhooks.redirects": R("OURS", "A redirect is not followed, and counts as a failed try."),
    "webhooks.blocked": R("REF", "Addresses that are not public are 422, and not connected to whatever a name says."),
    "webhooks.config": R("REF", "webhooks.url and webhooks.headers, with variables that begin with env_prefix."),
    # --- langgraph.json
    "config.http.app": R(
        "REF", "Its routes come first (but for /ok, /metrics, /docs, /openapi.json), its middleware around all of them."
    ),
    "config.http.lifespan": R(
        "REF", "The custom application's lifespan opens before the first request, state and all."
    ),
    "config.http.mount_prefix": R(
        "REF",
        "Every path and every Location begins with it; /ok, /health, /ready and /metrics also answer without.",
        "The reference's Location and Content-Location lack it.",
    ),
    "config.http.disable": R("REF", "disable_* takes routes away; disable_webhooks sends none."),
    "config.http.configurable_headers": R(
        "REF", "Only headers that are included reach configurable, in lower case; keys and cookies never do."
    ),
    "config.http.logging_headers": R("OURS", "Only headers that are included are logged; keys and cookies never are."),
    "config.http.custom_route_auth": R(
        "REF", "Custom routes ask for credentials when told to; middleware_order says which comes first."
    ),
    "config.http.wrong": R("OURS", "A wrong value stops the start with its place and what is allowed."),
    # --- OpenAI-compatible endpoint
    "openai.models": R("OURS", "Every assistant whose graph takes messages, by its graph's name or its id."),
    "openai.completion": R("OURS", "The answer with the tokens used; a run on a thread that goes with it."),
    "openai.stream": R("OURS", "The same text in pieces, usage on request, [DONE]; who leaves stops the run."),
    "openai.threads": R("OURS", "X-Thread-Id or user: a thread, which is told only what is new."),
    "openai.interrupts": R("OURS", "What a graph asks is the answer; on a thread, the next message answers it."),
    "openai.errors": R("OURS", "Errors as OpenAI's clients read them, not repeated when that cannot help."),
    # --- RemoteGraph and the sync client
    "remote.invoke": R("RG", "Invoked with and without a thread, async and sync."),
    "remote.config": R("RG", "The metadata of its configuration reaches the nodes."),
    "remote.stream": R("RG", "Streams updates, values, messages, and subgraphs by namespace."),
    "remote.state": R("RG", "State and history read by a checkpoint without id, before, and forked by update_state."),
    "remote.interrupt": R("RG", "Interrupts are Interrupt objects and can be resumed by Command."),
    "remote.error": R("RG", "A failure is a RemoteException with its message."),
    "remote.graph": R("RG", "Drawn by name."),
    "remote.v3": R("RG", "astream_events and stream_events with version v3: projections, output, interrupts, resume."),
    "remote.nested": R("RG", "As a node of a local graph, its interrupt is the parent's."),
    "sync.assistants": R("SDK", "Every method of the sync assistants client."),
    "sync.threads": R("SDK", "Every method of the sync threads client."),
    "sync.runs": R("SDK", "Every method of the sync runs client."),
    "sync.store": R("SDK", "Every method of the sync store client."),
    # --- The JavaScript SDK
    "js.streams": R("JS", "Streams with ids, onRunCreated from Content-Location, replay by lastEventId."),
    "js.wait": R("JS", "wait, join, cancel with wait; a failure rejects."),
    "js.interrupts": R("JS", "Interrupts and resumes; `input: null` beside a command."),
    "js.reconnect": R("JS", "A stream that breaks goes on by Location and Last-Event-ID, nothing lost."),
    "js.threads": R("JS", "create, search, count, history (before a whole state), updateState, update, delete."),
    "js.assistants": R("JS", "create, update, versions, setLatest, search, graph, schemas, delete."),
    "js.thread_stream": R(
        "JS", "threads.stream: messages, tool calls, extensions, output, interrupts, state and tree, by SSE."
    ),
    "js.thread_socket": R("JS", "The same by WebSocket, with its commands on it."),
    "js.controller": R(
        "JS", "StreamController, which @langchain/react is made of: submits, asks, forks, stops, hydrates again."
    ),
    "react.use_stream": R(
        "UI", "A page in Chromium by @langchain/react: turns, tools, a question, a failure; SSE, socket."
    ),
    "js.thread_reconnect": R("JS", "A thread stream that is cut comes back, and nothing is shown twice."),
    "js.store": R("JS", "put, get, search, namespaces, delete."),
    "js.crons": R("JS", "create, createForThread, update, search, count, delete."),
    # --- OpenAPI and errors
    "openapi.page": R("OURS", "/docs needs no other server: its scripts and styles come from this one."),
    "openapi.complete": R("OURS", "Every route has a tag, a summary and an example of its body; /docs shows them."),
    "openapi.examples_are_true": R("OURS", "Documented answers have the keys of real ones."),
    "openapi.no_5xx": R("OURS", "schemathesis finds no 5xx in what the document allows."),
    "errors.json": R("REF", "Unknown routes, methods and broken bodies are {detail} in JSON."),
    # --- The thread protocol
    "protocol.start": R(
        "SDK", "run.start makes the thread where there is none, and answers the run and where it begins."
    ),
    "protocol.messages": R("SDK", "Messages as content blocks: started, grown and finished, calls parsed, with usage."),
    "protocol.channels": R(
        "SDK",
        "values, updates, messages, tools, lifecycle, checkpoints and tasks all arrive, in growing numbers.",
        "The reference never shows updates, tools, tasks and checkpoints.",
    ),
    "protocol.custom": R(
        "SDK",
        "{payload} of whatever a graph writes; {name, payload} is an event of custom:<name>.",
        "The reference shows neither.",
    ),
    "protocol.tools": R(
        "SDK",
        "A tool's start, output as it comes, and end or error, of any tool that LangChain runs.",
        "The reference shows none of a plain ToolNode.",
    ),
    "protocol.interrupts": R("SDK", "input.requested with payload and value; the answer goes on in the same stream."),
    "protocol.subgraphs": R("SDK", "A subgraph's events under its namespace; it starts, ends, and asks from there."),
    "protocol.failed": R("SDK", "A failed run ends as failed, with its error; so does a cancelled one."),
    "protocol.replay": R(
        "JS", "A reader gets all that is kept, or what comes after `since`: the same events with the same ids, once."
    ),
    "protocol.tasks": R(
        "OURS", "A task's input of more than 32,000 bytes is left out, with its size; all else is there."
    ),
    "protocol.filter": R("SDK", "Channels, custom:<name>, namespaces and depth; a channel that does not exist is 400."),
    "protocol.older_runs": R(
        "OURS", "Runs started by other routes show what they streamed, or at least their questions and their end."
    ),
    "protocol.gap": R(
        "OURS", "A `since` whose events are gone is told resume_gap and what is left, never given silence."
    ),
    "protocol.pruned": R("OURS", "Values whose checkpoints were pruned are left out of a replay; the rest is shown."),
    "protocol.restart": R("OURS", "After kill -9, `since` goes on with the run, which says `running` once more."),
    "protocol.refusals": R(
        "SDK", "A refused command is 200 with the protocol's error and words; input.inject is not_supported."
    ),
    "protocol.respond": R(
        "SDK",
        "One interrupt or several at once, by id; an answered one is no_such_interrupt; run.start answers too.",
        "The reference starts another run for an answered interrupt.",
    ),
    "protocol.state": R(
        "SDK",
        "state.get, state.listCheckpoints, state.fork and agent.getTree answer what the routes do.",
        "The reference does not know state.*.",
    ),
    "protocol.socket": R(
        "JS", "One WebSocket carries commands, answers and subscriptions, each replayed from its beginning."
    ),
    "protocol.socket.refusals": R("SDK", "What is no command is refused in words, and the WebSocket stays open."),
    "protocol.socket.origin": R("OURS", "Host and Origin are checked as for HTTP; a bad id closes with 4000 + status."),
    "protocol.socket.stop": R("JS", "A stop closes it with 1012, so that clients come back."),
    "protocol.slow": R("OURS", "A reader that takes nothing is cut after SEND_TIMEOUT_SECONDS; its run goes on."),
    "protocol.sync": R("SDK", "The same through the sync client."),
    # --- MCP
    "mcp.tools": R("OURS", "tools/list: each assistant by its graph's name or its id, with its graph's input schema."),
    "mcp.calls": R("OURS", "tools/call is a run on a thread of its own; failures and questions are isError, in words."),
    "mcp.http": R("REF", "POST /mcp, streamable HTTP without sessions, answered in JSON; GET is 405."),
    # --- Chat UIs, Studio, system
    "ui.agent_chat": R("UI", "info, search, create, stream, history, resume with a checkpoint, rejoin by Location."),
    "ui.agent_chat.regenerate": R("UI", "A run from the parent checkpoint with input null gives the answer anew."),
    "ui.studio": R("UI", "Everything Studio asks, as text/plain from its origin, with rollback and debug streams."),
    "ui.preflight": R(
        "UI",
        "Loopback and Studio may use any header and reach a private network; a foreign origin is refused.",
        "The reference lets every origin in, and answers the private network's question with 400.",
    ),
    "system.info": R("REF", "/info with version, flags and host; /ok and / say ok."),
    "runs.factory.forms": R("SDK", "Sync, async, context manager; with config, ServerRuntime, both or neither."),
    "state.patch": R("JS", "PATCH state merges the thread's metadata (patchState)."),
    "queries.lists": R("JS", "A list in a query is repeated, or one JSON list (JS 1.8 and 2.0)."),
    "errors.odd_bodies": R("OURS", "Half characters, endless nesting and wrong configurations are 422 in words."),
    "errors.odd_values": R("OURS", "Values JSON hardly knows pass through runs and store; none breaks a stream."),
}


def as_markdown() -> str:
    """The manifest as `docs/api.md` shows it; `python -m tests.api_requirements` prints it."""
    lines = []
    for row, it in REQUIREMENTS.items():
        lines.append(f"| `{row}` | {it.source} | {_cell(it.behaviour)} | {_cell(it.divergence or '')} |")
    return "\n".join(["| Row | Source | What holds | Where the reference server differs |", "|-|-|-|-|", *lines])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(as_markdown() + "\n")
