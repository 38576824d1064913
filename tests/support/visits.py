"""One page opened in a browser, with all it complained about."""

from __future__ import annotations

from typing import Any

__all__ = ["OVERFLOW", "PATIENCE", "Visit"]

PATIENCE = 90_000
"""Milliseconds that the browser may take for one thing on a busy machine."""

OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"


class Visit:
    """One page opened, with all it complained about: console, errors, dialogs, answers from 400 up."""

    def __init__(self, browser: Any, url: str, width: int = 1440, **context: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, **context)
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on(
            "response",
            lambda answer: self.complaints.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None,
        )
        self.page.goto(url)

    def close(self) -> None:
        self.context.close()

    def measure(self, script: str) -> Any:
        return self.page.evaluate(script)

    def wait(self, script: str) -> None:
        """Wait until *script* is true; by locators nothing can be waited for that is no element.

        `wait_for_function` is evaluated in the page, where Trusted Types forbid it.
        """
        waited = 0
        while not self._is_so(script):
            self.page.wait_for_timeout(50)
            waited += 50
            assert waited < PATIENCE, script

    def _is_so(self, script: str) -> bool:
        try:
            return bool(self.measure(script))
        except Exception as error:
            if "context was destroyed" in str(error):  # the page is on its way to the next one
                return False
            raise
