"""`reeltune eval` and `select` over servers, and select over an endpoint: what the trainer's own engine finds."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.chat_endpoint import ChatEndpoint
from tests.rollout.fake_server import FakeServer
from tests.workshop import torchrun

from reeltune.cli import main

Servers = Callable[[int], list[FakeServer]]
SIZES = ["video.min_frame_pixels=4096", "video.max_frame_pixels=4096"]


def served(fakes: list[FakeServer]) -> list[str]:
    return ["rollout.engine=vllm", f"rollout.servers=[{','.join(each.url for each in fakes)}]"]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def vowels(workshop: Any, monkeypatch: Any) -> Any:
    from reeltune import tasks

    monkeypatch.setattr(tasks._registry, "_loaded", {})
    return workshop


def test_servers_evaluate_as_the_trainers_own_engine(vowels: Any, servers: Servers) -> None:
    """Greedy answers of two servers, one of which dies: the same file, byte for byte."""
    fakes = servers(2)
    fakes[0].poison = "Please. Please."

    def evaluate(name: str, *words: str) -> Path:
        out: Path = vowels.folder / name
        task = f"data.tasks=[{vowels.folder / 'vowels.py'}]"
        words = ("eval.max_new_tokens=6", task, *SIZES, *words)
        assert main(["eval", str(vowels.model), str(vowels.samples), "-o", str(out), *words]) == 0
        return out

    own, theirs = evaluate("own"), evaluate("theirs", *served(fakes), "rollout.timeout_s=30")
    assert fakes[0].dead and len(fakes[1].served) > 2 and len(lines(own / "predictions.jsonl")) == 8
    assert (own / "predictions.jsonl").read_bytes() == (theirs / "predictions.jsonl").read_bytes()


def select(shop: Any, name: str, *words: str) -> list[dict[str, Any]]:
    command = ["select", str(shop.recipe), "-o", str(shop.folder / name), "--min-std", "0", "--min-level", "0"]
    assert main([*command, "select.repeats=3", *words]) == 0
    found = lines(shop.folder / name / "stats.jsonl")
    return [{key: row[key] for key in ("id", "rewards", "lengths", "truncated", "best", "worst")} for row in found]


def test_servers_select_as_the_trainers_own_engine(vowels: Any, servers: Servers) -> None:
    assert select(vowels, "own") == select(vowels, "theirs", *served(servers(2)))


@pytest.mark.slow
def test_processes_of_torchrun_select_over_the_same_servers(vowels: Any, servers: Servers) -> None:
    """Slow: two processes start. One publishes, each asks about its own samples: what one process finds."""
    fakes = servers(2)
    words = [str(vowels.recipe), "-o", str(vowels.folder / "both"), "--min-std", "0", "--min-level", "0"]
    done = subprocess.run(
        [*torchrun(2), "reeltune", "select", *words, "select.repeats=3", *served(fakes)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((vowels.folder / "both" / "shards").iterdir())) == 2
    loads = [fake.calls.count("/update_weight_version") for fake in fakes]
    assert loads == [1, 1] and sum(len(fake.served) for fake in fakes) >= 8
    found = lines(vowels.folder / "both" / "stats.jsonl")
    own = select(vowels, "own")
    assert [{key: row[key] for key in own[0]} for row in found] == own


def vowels_of_seed(body: dict[str, Any]) -> tuple[str, str]:
    text = "a" * (body["seed"] % 5) + "bcd"
    return text, "length" if "aaa" in text else "stop"


@pytest.fixture
def chat() -> Iterator[ChatEndpoint]:
    found = ChatEndpoint(vowels_of_seed)
    yield found
    found.close()


def test_a_selection_asks_any_endpoint(vowels: Any, chat: ChatEndpoint) -> None:
    """K requests a sample, with the recipe's sampling, a seed each; no weights are opened, and a rerun asks nothing."""
    words = ["--endpoint", chat.url, "--send", "frames", "model.path=their/model", "rl.temperature=0.7", "rl.top_p=0.9"]
    found = select(vowels, "out", *words)
    assert len(found) == 8 and len(chat.bodies) == 24 and len({body["seed"] for body in chat.bodies}) == 24
    [asked] = {(body["model"], body["temperature"], body["top_p"], body["max_tokens"]) for body in chat.bodies}
    assert asked == ("their/model", 0.7, 0.9, 6) and "top_k" not in chat.bodies[0]
    for row in found:
        assert sorted(row["lengths"]) == sorted(len(text) for text in _texts(chat, row)) and len(row["rewards"]) == 3
        assert row["truncated"] == sum("aaa" in text for text in _texts(chat, row))
    assert select(vowels, "out", *words) == found and len(chat.bodies) == 24
    # Statistics of the recipe's own model are others.
    assert main(["select", str(vowels.recipe), "-o", str(vowels.folder / "out"), "select.repeats=3"]) == 2


def _texts(chat: ChatEndpoint, row: dict[str, Any]) -> list[str]:
    from reeltune.rollout.engine import derive_seed

    seeds = [derive_seed(0, "endpoint", row["id"], number) % 2**31 for number in range(3)]
    assert set(seeds) <= {body["seed"] for body in chat.bodies}
    return ["a" * (seed % 5) + "bcd" for seed in seeds]


def test_an_endpoint_is_not_asked_where_nobody_is(vowels: Any, capsys: Any) -> None:
    out = str(vowels.folder / "out")
    assert main(["select", "-o", out, "--from", "stats.jsonl", "--endpoint", "http://127.0.0.1:1/v1"]) == 2
    assert "which use no model" in capsys.readouterr().err
