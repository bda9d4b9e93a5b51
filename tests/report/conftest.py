"""Run directories and a demo as training leaves them, made without a model: answers drawn near the truth; and a
strict enough reader of HTML to judge the pages."""

import json
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
import yaml

from reeltune.sample import Sample
from reeltune.tasks import get_task, load_samples
from reeltune.toyworld.generate import generate

TASK = "temporal_grounding"


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def guess(sample: Any, skill: float, rng: random.Random) -> str:
    """An answer that is near the truth as often as `skill` says, unreadable now and then."""
    if rng.random() < 0.15 * (1 - skill):
        return "<answer>the object moves</answer>"
    start, end = sample.target[0]
    if rng.random() > skill:
        start = round(rng.uniform(0, sample.duration - 1), 1)
        end = round(rng.uniform(start + 0.5, sample.duration), 1)
    else:
        start, end = max(0.0, start + rng.choice((-0.5, 0, 0, 0.5))), end + rng.choice((-0.5, 0, 0, 0.5))
    return f"<answer>{start} to {end}</answer>"


def evaluation(samples: Sequence[Sample], texts: Sequence[str]) -> dict[str, float]:
    return {f"eval/{TASK}/{name}": value for name, value in get_task(TASK).metrics(samples, texts).items()}


def group(sample: Sample, texts: Sequence[str]) -> dict[str, Any]:
    rows = [get_task(TASK).rewards(sample, text, "direct") for text in texts]
    rewards = [sum(value or 0.0 for value in row.values()) for row in rows]
    spread = max(stdev(rewards), 0.05)
    return {
        "id": sample.id,
        "task": sample.task,
        "texts": list(texts),
        "reward": rewards,
        "components": {name: [row[name] for row in rows] for name in rows[0]},
        "advantage": [(reward - fmean(rewards)) / spread for reward in rewards],
        "truncated": [False] * len(texts),
    }


def step_row(step: int, groups: Sequence[Mapping[str, Any]], skill: float) -> dict[str, float]:
    rewards = [value for each in groups for value in each["reward"]]
    return {
        "step": step,
        "completion_tokens": 14.0 - skill,
        "grad_norm": 1.2 - skill,
        "groups_without_signal": float(sum(len(set(each["reward"])) == 1 for each in groups)),
        "loss": -0.01 * skill,
        "lr": 3e-4,
        "quarantined": 0.0,
        "reward": fmean(rewards),
        "reward_std": fmean(stdev(each["reward"]) for each in groups),
        f"{TASK}/format": fmean(value for each in groups for value in each["components"]["format"]),
        f"{TASK}/iou": fmean(value for each in groups for value in each["components"]["iou"]),
        "truncated": 0.0,
        "unparsed": 0.15 * (1 - skill),
    }


def build_run(
    run: Path, train: Path, held_out: Path, *, method: str = "grpo", steps: int = 60, every: int = 20
) -> Path:
    rng = random.Random(7)
    seen, unseen = load_samples(train), load_samples(held_out)
    lines: list[dict[str, Any]] = []
    for step in range(steps + 1):
        skill = 0.25 + 0.65 * step / max(steps, 60)
        if step and method == "grpo":
            groups = [group(s, [guess(s, skill, rng) for _ in range(4)]) for s in rng.sample(seen, 3)]
            write_lines(run / "rollouts" / f"step-{step:06d}.jsonl", groups)
            lines.append(step_row(step, groups, skill))
        elif step:
            lines.append({"step": step, "completion_tokens": 14.0, "grad_norm": 0.5, "loss": 1.1 - skill, "lr": 1e-4})
        if step % every == 0:
            lines.append({"step": step, **evaluation(unseen, [guess(s, skill, rng) for s in unseen])})
    write_lines(run / "metrics.jsonl", lines)
    write_lines(run / "timings.jsonl", [{"step": line["step"], "seconds": 0.5} for line in lines])
    config = {
        "method": method,
        "model": {"path": "toyworld:base"},
        "data": {"train": [{"path": str(train)}]},
        "rl": {"steps": steps, "groups_per_step": 3, "group_size": 4},
        "sft": {"steps": steps},
        "eval": {"data": str(held_out), "every": every},
        "run": {"dir": str(run)},
    }
    (run / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (run / "environment.json").write_text(json.dumps({"reeltune": "0.1.0", "torch": "2.13.0", "device": "cpu"}))
    return run


def build_demo(demo: Path, train: Path, held_out: Path) -> Path:
    rng = random.Random(3)
    samples = load_samples(held_out)
    task = get_task(TASK)
    results: dict[str, dict[str, float | None]] = {}
    for name, skill, seconds in (("base", 0.25, 6.5), ("sft", 0.7, 95.0), ("grpo", 0.85, 187.4)):
        texts = [guess(sample, skill, rng) for sample in samples]
        write_lines(
            demo / "predictions" / f"{name}.jsonl",
            [{"id": sample.id, "text": text} for sample, text in zip(samples, texts, strict=True)],
        )
        scores = task.metrics(samples, texts)
        results[name] = scores | {"multiple_choice_accuracy": 80.0 + skill, "seconds": seconds}
    for name, scores in task.baselines(samples).items():
        results[name] = scores | {"unparsed": 0.0, "multiple_choice_accuracy": None, "seconds": None}
    (demo / "results.json").write_text(json.dumps(results), encoding="utf-8")
    facts = {"seed": 0, "held_out": str(held_out), "train_videos": 30, "held_out_videos": len(samples)}
    (demo / "demo.json").write_text(json.dumps(facts), encoding="utf-8")
    build_run(demo / "grpo", train, held_out)
    build_run(demo / "sft", train, held_out, method="sft", steps=40)
    return demo


@pytest.fixture(scope="session")
def toyworld(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Samples files of training and held-out videos."""
    root = tmp_path_factory.mktemp("toyworld")
    train = generate(root / "train", videos=12, tasks=[TASK])
    return train, generate(root / "held_out", videos=20, split="held_out", tasks=[TASK])


@pytest.fixture
def make_run(tmp_path: Path, toyworld: tuple[Path, Path]) -> Callable[..., Path]:
    return lambda **options: build_run(tmp_path / "run", *toyworld, **options)


@pytest.fixture(scope="session")
def built_demo(tmp_path_factory: pytest.TempPathFactory, toyworld: tuple[Path, Path]) -> Path:
    return build_demo(tmp_path_factory.mktemp("built") / "demo", *toyworld)


@pytest.fixture
def make_demo(tmp_path: Path, built_demo: Path) -> Callable[[], Path]:
    """A copy of its own for each test."""
    return lambda: shutil.copytree(built_demo, tmp_path / "demo")


VOID = {"meta", "link", "br", "wbr", "img", "input", "hr", "source"}


class Page(HTMLParser):
    """The page's tags, attributes and visible text. AssertionError when tags do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.scripts.append(data)
        elif "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def _check_page(html: str) -> Page:
    """A well-formed page that needs nothing but itself and runs no script but its own."""
    page = Page(html)
    assert html.startswith("<!doctype html>")
    assert len(page.named("script")) == len(page.scripts) <= 1
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        for name in ("src", "href", "action", "poster"):
            assert attributes.get(name, "#").startswith(("data:video/", "#")), (tag, attributes)
    return page


@pytest.fixture
def check_page() -> Callable[[str], Page]:
    return _check_page
