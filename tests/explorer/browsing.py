"""A server and a page of the browser for the tests, and how they wait in it."""

import time
from typing import Any


class Page:
    """A page that fails its test for whatever the console complains of, and asks nobody but the server."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.page = browser.new_page(**({"viewport": {"width": 1400, "height": 1000}} | options))
        self.page.set_default_timeout(60_000)
        self.address, self.complaints, self.foreign = address, [], []
        self.page.on("console", lambda each: self.complaints.append(each.text) if each.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "request", lambda each: None if each.url.startswith((address, "data:")) else self.foreign.append(each.url)
        )

    def open(self, query: str = "") -> Any:
        self.page.goto(f"{self.address}/?{query}")
        self.page.wait_for_selector("main[data-ready]")
        return self.page

    def end(self) -> None:
        hacked = self.page.evaluate("window.hacked")
        self.page.close()
        assert (self.complaints, self.foreign, hacked) == ([], [], None)


def ids(page: Any) -> list[str]:
    return [link.get_attribute("title") for link in page.query_selector_all(".rows td.name a")]


def until(page: Any, condition: str, arg: Any = None, *, within: float = 60.0) -> None:
    """Wait for a condition in the page. (Playwright's own waiting is a script that the page's policy forbids.)"""
    end = time.monotonic() + within
    while not page.evaluate(condition, arg):
        assert time.monotonic() < end, (condition, page.inner_text("body")[:500])
        page.wait_for_timeout(50)


def wait_for_count(page: Any, text: str) -> None:
    until(page, "text => document.getElementById('count')?.textContent === text", text)


def ready(shown: Any) -> None:
    shown.wait_for_selector(".player[data-ready]")
