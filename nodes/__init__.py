"""What the graphs are wired from: one file is one step, or one idea that several steps share.

- ReAct: call_model, approve_tools, run_tool, respond
- Plan-and-Execute: plan, approve_plan, advance, run_step, answer_plan (plan_schema and plan_report beside them)
- Tree of Thought: read_problem, expand, merge, evaluate, select, answer_search (thoughts beside them, problems/ below)
- Shared: state, context, prompts, budget, memory, history, summarise, pieces, tokens, approval
- The model: models (which one), model_call (how it is asked), structured (objects), cassette, offline
- tools/: the toolkit and its tools

Nothing here knows of a server: a node gets state, configuration and runtime from LangGraph, and models and tools from
the graph that is built with it.
"""
