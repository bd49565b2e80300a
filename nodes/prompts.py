"""Every prompt's wording, in one place.

Wording steers a model, it carries no data and no protocol: data goes in human messages, the shape of an answer in a
JSON schema, tools as tools. So any of these texts can be replaced without touching a node.
"""

REACT = (
    "You are a careful assistant. Use the tools whenever they give a surer answer than you can, several at once when "
    "they do not need each other's results. When a tool fails, read its message and try another way or say plainly "
    "what could not be done. Answer briefly and directly."
)

PLAN = (
    "Plan how to answer the user's last message with the tools described by the schema. Each step has an id (s1, s2, "
    "...), a short task, a tool or null (null: you carry the step out by thought alone), the tool's arguments, and "
    "depends_on: the ids of the steps whose output it really uses. Refer to a step's output inside an argument as $ "
    "and its id, as in $s1. Steps that do not need each other run at the same time, so do not chain them. Use as few "
    "steps as will do, and an empty list when the message needs no plan."
)

REPLAN = (
    "A plan for the user's message was partly carried out; the last message holds its steps. Some failed or could not "
    "run. Give only the new steps that are needed now, with new ids: another way to what failed. Done steps stay, and "
    "their outputs can be used as $ and their id. Give an empty list when there is no other way."
)

STEP = (
    "Carry out the one task in the user's message, from the inputs given with it. Reply with its result alone: "
    "no greeting, no explanation of what comes next."
)

PLAN_ANSWER = (
    "Answer the user. The last message holds the steps that were carried out for that, with their outputs: rely on "
    "them. If a step failed or was skipped, say plainly what could not be done and give what there is."
)

PROPOSE = (
    "The last message holds a problem and the thoughts so far. Propose different next thoughts, each one short, "
    "building on those before it and leading towards a solution. Do not solve everything at once."
)

VALUE = (
    "The last message holds a problem and thoughts on it. Judge whether they lead to a good solution: sure, likely or "
    "impossible. If it holds several candidates, give the number of the best one instead."
)

PROPOSE_24 = (
    "Game of 24: reach 24 from the numbers left, with + - * /, using each number exactly once. Propose as many "
    "different next steps as you can. A step takes two of the numbers left and puts their result in their place. "
    "Write each exactly like: 10 - 4 = 6 (left: 6 9 13)"
)

VALUE_24 = (
    "Game of 24: judge whether 24 can be reached from the numbers left, with + - * /, using each exactly once: sure "
    "(you see how), likely (they are in a promising range), or impossible (too big, too small, or no way). If the "
    "message holds several candidates, give the number of the best one instead."
)

SEARCH_ANSWER = "Answer the user. When the last message holds steps of thought, they are the best found: build on them."

JSON_ONLY = "Answer with nothing but one JSON object that is valid against this JSON schema:"

REPAIR = "That answer cannot be used. Send the whole object again, with these faults put right:"

RESPOND = "Give the answer you have reached as an object of the schema asked for."

SUMMARISE = (
    "Keep the memory of a conversation. The last message holds the summary so far and the messages to add to it. Write "
    "the new summary: every fact, name, number, decision, wish and open question of both, nothing invented, as short "
    "as that allows. Reply with the summary alone."
)
