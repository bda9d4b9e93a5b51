"""Fake servers over one tiny model, shut down when a test ends."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.rollout.fake_server import FakeServer


@pytest.fixture
def servers(tiny_models: Any) -> Iterator[Callable[[int], list[FakeServer]]]:
    """servers(n): so many fake servers of the tiny Qwen3-VL."""
    started: list[FakeServer] = []

    def start(count: int) -> list[FakeServer]:
        started.extend(FakeServer(tiny_models("qwen3_vl")) for _ in range(count))
        return started[-count:]

    yield start
    for each in started:
        each.close()
