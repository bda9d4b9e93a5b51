"""One run for all tests that only look at it, and the application over it."""

from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture(scope="session")
def client(session: Session) -> Iterator[TestClient]:
    with TestClient(make_app(session, hosts=("testserver",))) as found:
        yield found
