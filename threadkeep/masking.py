"""Keys and passwords, made unreadable before a line is logged or an error is shown.

Libraries put the address and the headers of a failed request into their errors. What is masked: the values of this
process's environment that are secret by their names, passwords in its addresses, and whatever looks like a key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from urllib.parse import quote, unquote, urlsplit

from threadkeep import json

MASK = "***"
_FEWEST_CHARACTERS = 6
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|AUTHORIZATION|HEADERS)$", re.I)
_LOOKS_SECRET = re.compile(
    r"""(?P<before> \bbearer\s+ | \bbasic\s+ (?=[A-Za-z0-9+/]{16}) | ://[^/\s:@"']*: (?=[^/\s@"']+@)
          | \b(?:api[-_]?key|access[-_]?token|password|secret)\b \\?["']? \s*[:=]\s* \\?["']? (?=[^\s"'\\]{6}) )
        [^\s"'\\,;&@)]+
      | \b(?:sk|tk|lsv2|pk-lf|sk-lf|ghp|xox[abp])[-_][A-Za-z0-9_.-]{8,}""",
    re.I | re.X,
)
_HINTS = (
    *("bearer", "basic", "://", "apikey", "api-key", "api_key", "access", "password", "secret"),
    *("sk-", "sk_", "tk-", "tk_", "lsv2", "pk-lf", "ghp", "xox"),
)
"""Whatever looks secret has one of these in it. They are found in a tenth of the time, and most lines have none."""

Mask = Callable[[str], str]


def mask_for(environment: Mapping[str, str]) -> Mask:
    """A function that gives a text back without secrets; those of the environment as it is now."""
    known = {form for secret in _secrets(environment) for form in _forms(secret)}
    return partial(_masked, sorted(known, key=len, reverse=True))


def _masked(known: Sequence[str], text: str) -> str:
    if any(form in text for form in known):
        text = re.sub("|".join(map(re.escape, known)), MASK, text)
    if _may_look_secret(text):
        text = _LOOKS_SECRET.sub(lambda found: (found["before"] or "") + MASK, text)
    return text


def _may_look_secret(text: str) -> bool:
    if not text.isascii():  # the pattern also knows letters that are no hint's small ones
        return True
    small = text.lower()
    return any(map(small.__contains__, _HINTS))


def _secrets(environment: Mapping[str, str]) -> set[str]:
    found = {text for name, text in environment.items() if _SECRET_NAME.search(name)}
    for text in environment.values():
        if "://" in text and "@" in text:
            found.add(_password_of(text))
    return {text.strip() for text in found if len(text.strip()) >= _FEWEST_CHARACTERS}


def _password_of(address: str) -> str:
    try:
        return urlsplit(address.strip()).password or ""
    except ValueError:
        return ""


def _forms(secret: str) -> set[str]:
    """As it is, as JSON and as a URL write it."""
    return {secret, json.dumps_text(secret)[1:-1], quote(secret, safe=""), unquote(secret)}
