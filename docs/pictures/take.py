"""Takes the pictures of the documentation: the demo under its seeded traffic, in a headless Chromium.

    make screenshots

Nothing in them is drawn by hand. The demo runs on a free port of this machine with a fixed seed; numbers that depend
on the machine differ from one taking to the next.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent

WARM = 75.0
"""Seconds of traffic before the first picture: the story of the demo has told its problem by then."""

PICTURES = {
    "overview": "",
    "database": "database",
    "route": "route?r=GET+/products",
    "request": "request",
    "advice": "advice",
}
"""Name of the file, and the page that it shows; ``request`` is the slowest kept one of the route."""

SIZES = {"light": (1440, 900), "dark": (1440, 900), "phone": (390, 844)}


def main() -> None:
    """Start the demo, wait for its findings, take each page light, dark and as on a phone, and stop it."""
    command = [sys.executable, "-m", "perfkit.cli", "demo", "--port", "0", "--workers", "2", "--seed", "7"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    try:
        address = _address(demo)
        time.sleep(WARM)
        _take(address)
    finally:
        demo.terminate()
        demo.wait(30)


def _address(demo: subprocess.Popen[str]) -> str:
    """Return the dashboard's address, once it answers."""
    assert demo.stdout is not None
    for line in demo.stdout:
        found = re.search(r"http://127\.0\.0\.1:\d+/perfkit/\S*", line)
        if found:
            break
    else:
        raise SystemExit("The demo ended before it said where it is. Run `perfkit demo` and see why.")
    for _ in range(100):
        try:
            urlopen(found[0], timeout=5).close()
        except (URLError, OSError):
            time.sleep(0.2)
        else:
            return found[0].partition("?")[0]
    raise SystemExit("The demo does not answer. Run `perfkit demo` and see why.")


def _take(address: str) -> None:
    chromium = os.environ.get("PERFKIT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for look, (width, height) in SIZES.items():
            scheme = "light" if look == "light" else "dark"
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            page = context.new_page()
            for name, path in PICTURES.items():
                page.goto(address + _slowest(page, address) if path == "request" else address + path)
                page.wait_for_timeout(1500)
                page.screenshot(path=HERE / f"{name}-{look}.png")
            context.close()
        browser.close()


def _slowest(page: Page, address: str) -> str:
    """Return the page of the slowest kept request of the products."""
    kept = page.request.get(f"{address}api/requests?route=GET+/products&limit=100").json()
    requests = kept.get("requests") or kept.get("exchanges") or []
    slowest = max(requests, key=lambda each: each["seconds"])
    return f"request?id={slowest['id']}"


if __name__ == "__main__":
    main()
