"""Debian's Chromium, driven by Playwright. Without it the browser tests are left out, except where `CI` is set."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright


def _chromium() -> str:
    found = shutil.which("chromium")
    if found is not None:
        return found
    if os.environ.get("CI"):
        pytest.fail("chromium must be there in CI")
    pytest.skip("needs chromium (apt-get install chromium)")


@contextmanager
def running_browser() -> Iterator[Browser]:
    executable = _chromium()
    # The sandbox of Chromium cannot be had by root, as whom containers of CI run.
    arguments = ["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else ["--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()
