"""One run for all tests that only look at it, and the application over it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.explorer.made import make_run

from reeltune.explorer.app import make_app
from reeltune.explorer.session import Session


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("explorer")
    make_run(place)
    return place


@pytest.fixture(scope="session")
def session(folder: Path) -> Session:
    found = Session([folder / "run", folder / "data" / "samples.jsonl"], cache=folder / "cache")
    for each in found.opened.values():
        each.load()
        assert not each.problems and not each.index.problems
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium by Playwright; the test is skipped, with the word why, without them."""
    sync_api: Any = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (extra `browser`)")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium is installed here")
    with sync_api.sync_playwright() as play:
        found = play.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture(scope="session")
def client(session: Session) -> Iterator[TestClient]:
    with TestClient(make_app(session, hosts=("testserver",))) as found:
        yield found
