"""In a real browser: the judge's verdicts and what breaks the form, in the text; several media; answers of others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.explorer.browsing import Page, ready, until
from tests.explorer.made import SECONDS, frames, make_run, write_rows

from reeltune.data.kept import keep_samples
from reeltune.explorer.serving import serving
from reeltune.explorer.session import Session
from reeltune.judges.events import EventsJudge
from reeltune.rewards.score import score_groups
from reeltune.rewards.weights import reward_of
from reeltune.tasks import get_task, load_samples

EVENTS = ["The red square appears.", "The red square moves right."]
TEXTS = [
    "<think>\nred square | red | moves right\n</think><answer>The red square moves right.</answer>",
    "Well. <think>\nno subject\n</think><answer>The red square moves left. It rains.</answer>",
]


def judged_run(folder: Path) -> None:
    """FOLDER/judged: one captioning group, rewarded and judged as training does."""
    data = folder / "data"
    subjects = [{"name": "red square", "actions": ["moves right"]}]
    caption = {"id": "caption", "task": "captioning", "video": "videos/film.mp4", "caption": " ".join(EVENTS),
               "events": EVENTS, "subjects": subjects}  # fmt: skip
    write_rows(data / "captions.jsonl", [caption])
    samples = load_samples(data / "captions.jsonl")
    rewards = {"captioning": reward_of(get_task("captioning"), "structured")}
    [found] = score_groups(rewards, samples, [TEXTS], EventsJudge())
    row = {"id": "caption", "task": "captioning", "texts": TEXTS, "reward": found.total.tolist(), "frames": [],
           "components": found.components, "advantage": [0.7, -0.7], "truncated": [False] * 2,
           "verdicts": [[each.row() for each in own] for own in found.verdicts]}  # fmt: skip
    run = folder / "judged"
    write_rows(run / "rollouts" / "step-000001.jsonl", [row])
    write_rows(run / "metrics.jsonl", [{"step": 1, "reward": 1.0}])
    config = {"method": "grpo", "model": {"path": "toyworld:base"}, "run": {"dir": str(run)},
              "data": {"train": str(data / "captions.jsonl"), "mode": "structured"}}  # fmt: skip
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    keep_samples(run, {"train": samples})


def media_samples(data: Path) -> None:
    """An image and a part of the film; a list of frames."""
    image_module = pytest.importorskip("PIL.Image")
    (data / "walk").mkdir()
    for number, picture in enumerate(frames()[::10]):
        image_module.fromarray(picture).save(data / "walk" / f"{number}.png")
    rows = [
        {"id": "two", "task": "multiple_choice", "question": "?", "options": ["a", "b"], "target": "A",
         "media": [{"image": "walk/0.png"}, {"video": "videos/film.mp4", "start": 1.0, "end": 3.0}]},
        {"id": "walk", "task": "temporal_grounding", "query": "it passes", "target": [[1.0, 3.0]],
         "media": [{"frames": "walk", "fps": 1}]},
    ]  # fmt: skip
    write_rows(data / "media.jsonl", rows)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("marks")
    make_run(folder)
    judged_run(folder)
    media_samples(folder / "data")
    log = folder / "log.jsonl"
    write_rows(log, [{"video_path": "/x/film.mp4", "prompt": "When the square passes?", "gt": {}, "pred": "1 to 2"}])
    paths = [folder / "judged", folder / "data" / "media.jsonl", log]
    with serving(Session(paths, samples=[folder / "data" / "samples.jsonl"], cache=folder / "cache")) as found:
        yield found


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Page]:
    found = Page(browser, address)
    yield found
    found.end()


def marked(shown: Any, number: int, kind: str) -> list[str]:
    """The pieces of a completion that have this mark, as they are shown."""
    return [each.inner_text().strip() for each in shown.query_selector_all(f"[data-number='{number}'] mark.{kind}")]


def test_the_judges_verdicts_stand_in_the_text(page: Page) -> None:
    shown = page.open("source=judged&view=group&at=rollouts/step-000001.jsonl:1")
    ready(shown)
    assert marked(shown, 1, "said-entailment") == ["The red square moves right"]
    assert marked(shown, 2, "said-contradiction") == ["The red square moves left"]
    assert marked(shown, 2, "said-neutral") == ["It rains"]
    told = [each.inner_text() for each in shown.query_selector_all("[data-number='1'] .verdicts li")]
    assert told == ["The red square appears. missed", "The red square moves right. mentioned"]
    told = [each.inner_text() for each in shown.query_selector_all("[data-number='2'] .verdicts li")]
    assert told == ["The red square appears. missed", "The red square moves right. contradicted"]
    assert "events of the reference that the answer mentions: 1 of 2" in shown.inner_text("[data-number='1'] .verdicts")


def test_what_breaks_the_form_is_marked_in_the_text(page: Page) -> None:
    shown = page.open("source=judged&view=group&at=rollouts/step-000001.jsonl:1")
    ready(shown)
    assert marked(shown, 1, "stray") == [] and marked(shown, 2, "stray") == ["Well.", "no subject"]
    assert "not the required format (structured)" in shown.inner_text("[data-number='2'] .remark")
    assert shown.query_selector("[data-number='1'] .remark") is None


def test_several_media_and_lists_of_frames_are_shown(page: Page) -> None:
    shown = page.open("source=media.jsonl&view=group&at=media.jsonl:1")
    ready(shown)
    assert len(shown.query_selector_all(".player")) == 2 and shown.query_selector(".stage img") is not None
    until(shown, "Math.abs(document.querySelector('video').currentTime - 1) < 0.05")  # the part begins there
    assert [each.get_attribute("data-duration") for each in shown.query_selector_all(".clock[data-duration]")] == ["2"]
    shown = page.open("source=media.jsonl&view=group&at=media.jsonl:2")
    ready(shown)
    until(shown, "document.querySelector('.screen').textContent.includes('frame 1 of 4')")
    until(shown, "document.querySelector('.stage img').complete")  # what stands below it moves until then
    width = shown.query_selector(".area").bounding_box()["width"]
    shown.click(".area", position={"x": 0.6 * width, "y": 5})  # of four seconds; it waits until nothing moves
    until(shown, "document.querySelector('.screen').textContent.includes('frame 3 of 4')")
    before = shown.get_attribute(".stage img", "src")
    shown.click(".screen button")
    until(shown, "before => document.querySelector('.stage img').src !== before", before)
    until(shown, "document.querySelector('.stage img').naturalWidth > 0")
    assert SECONDS == 4


def test_the_log_of_another_evaluator_is_looked_at(page: Page) -> None:
    shown = page.open("source=log.jsonl")
    shown.wait_for_selector("main[data-view=evaluation]")
    assert "their videos and questions" in shown.inner_text("#problems")
    assert "whole video" in shown.inner_text("[data-task=temporal_grounding]")
    shown = page.open("source=log.jsonl&view=group&at=log.jsonl:1")
    ready(shown)
    assert shown.query_selector(".row[data-row='1'] .span").bounding_box()["width"] > 20
