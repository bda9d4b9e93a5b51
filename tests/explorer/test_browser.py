"""The pages in a real browser: Chromium by Playwright, over a real server. Skipped, with the word why, without them."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.explorer.browsing import Page, ids, ready, until, wait_for_count
from tests.explorer.made import HEIGHT, HOSTILE, WIDTH, box_at, make_run, step_rows, write_other, write_rows

from reeltune.explorer.export import write_export
from reeltune.explorer.serving import serving
from reeltune.explorer.session import Session

GROUP = "view=group&at=rollouts/step-00000"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    make_run(folder)
    for name, codec, container in (("hevc.mp4", "libx265", "mp4"), ("film.mkv", "libx264", "matroska")):
        write_other(folder / "other" / name, codec, container)
    samples = [
        {"id": name, "task": "temporal_grounding", "video": name, "query": "it passes", "target": [[1.0, 3.0]]}
        for name in ("hevc.mp4", "film.mkv")
    ]
    samples.append(samples[0] | {"id": "late", "target": [[0.2, 0.4]]})
    write_rows(folder / "other" / "samples.jsonl", samples)
    return folder


@pytest.fixture(scope="module")
def address(place: Path) -> Iterator[str]:
    with serving(Session([place / "run", place / "other" / "samples.jsonl"], cache=place / "cache")) as found:
        yield found


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Page]:
    found = Page(browser, address)
    yield found
    found.end()


def test_filter_sort_and_search_stand_in_the_address(page: Page) -> None:
    shown = page.open("source=run&view=table&table=answers")
    wait_for_count(shown, "32 answers")
    shown.keyboard.press("/")
    shown.keyboard.type("reward>1.5 red")
    wait_for_count(shown, "6 answers")
    shown.click("th button:text('reward')")
    shown.wait_for_selector("th[aria-sort=descending]")
    assert "sort=-reward" in shown.url and "q=reward%3E1.5+red" in shown.url
    again = Page(page.page.context.browser, page.address)
    colleague = again.open(shown.url.partition("?")[2])
    wait_for_count(colleague, "6 answers")
    assert ids(colleague) == ids(shown) and len(ids(shown)) == 6
    again.end()
    shown.fill("#search", "rewrd>1")
    until(shown, "document.querySelector('.field-problem').textContent.includes('did you mean')")


def test_everything_goes_by_keys(page: Page) -> None:
    shown = page.open("source=run&view=table&q=part%3Drollout")
    wait_for_count(shown, "12 groups")
    shown.keyboard.press("j")
    shown.keyboard.press("j")
    shown.keyboard.press("Enter")
    shown.wait_for_selector("main[data-view=group]")
    until(shown, "document.querySelector('h1').textContent === 'box'")
    shown.keyboard.press("n")
    until(shown, "document.querySelector('h1').textContent === 'option'")
    shown.keyboard.press("p")
    until(shown, "document.querySelector('h1').textContent === 'box'")
    shown.keyboard.press("1")
    assert shown.get_attribute(".completion[data-number='1']", "aria-pressed") == "true"
    shown.keyboard.press("?")
    shown.wait_for_selector("dialog[open]")
    shown.keyboard.press("Escape")
    shown.keyboard.press("Escape")
    shown.wait_for_selector("main[data-view=table]")
    assert "part%3Drollout" in shown.url
    for key, view in (("o", "overview"), ("v", "evaluation"), ("c", "compare"), ("s", "table")):
        shown.keyboard.press(key)
        shown.wait_for_selector(f"main[data-view={view}]")


def at_time(shown: Any) -> float:
    return float(shown.evaluate("document.querySelector('video').currentTime"))


def test_a_press_on_the_clock_and_on_a_frame_seeks(page: Page) -> None:
    shown = page.open(f"source=run&{GROUP}1.jsonl:1")
    ready(shown)
    area = shown.query_selector(".area").bounding_box()
    shown.click(".area", position={"x": 0.5 * area["width"], "y": 5})
    until(shown, "Math.abs(document.querySelector('video').currentTime - 2) < 0.05")
    shown.wait_for_selector(".film button")
    shown.click(".film button:nth-of-type(4)")
    until(shown, "Math.abs(document.querySelector('video').currentTime - 3) < 0.05")
    before = at_time(shown)
    shown.evaluate("document.activeElement.blur()")
    shown.keyboard.press(",")
    until(shown, "before => document.querySelector('video').currentTime < before - 0.1", before)
    assert len(shown.query_selector_all(".seen")) == 4
    truth = shown.query_selector(".row[data-row=truth] .span").bounding_box()
    assert truth["x"] == pytest.approx(area["x"] + area["width"] / 4, abs=2)
    assert truth["width"] == pytest.approx(area["width"] / 2, abs=3)
    shown.hover(".completion[data-number='2']")
    assert "strong" in shown.get_attribute(".row[data-row='2']", "class")
    assert "faint" in shown.get_attribute(".row[data-row='1']", "class")


@pytest.mark.parametrize("width", [400, 1400])
def test_boxes_stand_on_the_pixels(browser: Any, address: str, width: int) -> None:
    """The drawn box is held against the red square on the screenshot of the frame under it."""
    image_module = pytest.importorskip("PIL.Image")
    found = Page(browser, address, viewport={"width": width, "height": 900})
    shown = found.open(f"source=run&{GROUP}1.jsonl:2")
    ready(shown)
    shown.evaluate("document.querySelector('video').controls = false")
    for moment in (0.5, 1.0, 2.2):
        shown.evaluate("time => { document.querySelector('video').currentTime = time + 0.02; }", moment)
        until(shown, "!document.querySelector('video').seeking")
        shown.wait_for_timeout(150)
        box = shown.query_selector(".box.truth").bounding_box()
        stage = shown.query_selector(".stage").bounding_box()
        x0, y0, x1, y1 = box_at(moment)
        # Between the given times the box moves evenly, as the square does: at most one of its steps apart.
        step = 2 / WIDTH * stage["width"]
        assert box["x"] == pytest.approx(stage["x"] + x0 * stage["width"], abs=step + 2)
        assert box["width"] == pytest.approx((x1 - x0) * stage["width"], abs=4)
        shown.evaluate("document.querySelector('.boxes').style.visibility = 'hidden'")
        picture = image_module.open(io.BytesIO(shown.query_selector(".stage").screenshot())).convert("RGB")
        shown.evaluate("document.querySelector('.boxes').style.visibility = ''")
        scale = picture.width / stage["width"]
        row = round((y0 + y1) / 2 * picture.height)
        red = [column for column in range(picture.width) if picture.getpixel((column, row))[0] > 120]
        assert red[0] / scale == pytest.approx(box["x"] - stage["x"], abs=step + 4)
        assert red[-1] / scale == pytest.approx(box["x"] + box["width"] - stage["x"], abs=step + 4)
    assert stage["width"] / stage["height"] == pytest.approx(WIDTH / HEIGHT, rel=0.02)
    found.end()


def test_hevc_and_mkv_play(page: Page) -> None:
    for line in (1, 2):
        shown = page.open(f"source=samples.jsonl&view=group&at=samples.jsonl:{line}")
        ready(shown)
        assert shown.evaluate(
            "[document.querySelector('video').videoWidth, document.querySelector('video').error]"
        ) == [WIDTH, None]
        shown.evaluate("document.activeElement.blur()")
        shown.keyboard.press(" ")
        until(shown, "document.querySelector('video').currentTime > 0.3")
        until(shown, "document.querySelector('.strip').textContent.includes('not recorded')")


def test_hostile_texts_and_names_are_shown_and_run_nothing(page: Page) -> None:
    shown = page.open(f"source=run&{GROUP}1.jsonl:4")
    ready(shown)
    assert HOSTILE.split("\u202e")[0].strip() in shown.inner_text(".completion[data-number='2'] pre")
    for view in ("table", "table&table=answers", "evaluation", "compare&sides=run@0,run@3", "overview"):
        shown = page.open(f"source=run&view={view}")
        shown.wait_for_timeout(200)
        assert shown.query_selector("img[src=x]") is None and shown.query_selector("main script") is None


def test_sides_are_compared(page: Page) -> None:
    shown = page.open("source=run&view=compare&sides=run@0,run@3")
    tiles = {tile.get_attribute("data-pattern"): tile.inner_text() for tile in shown.query_selector_all(".tile")}
    assert re.match(r"2\s+wins", tiles["01"]) and re.match(r"0\s+losses", tiles["10"])
    shown.click(".tile[data-pattern='01']")
    until(shown, "document.querySelectorAll('.sides tbody tr').length === 2")
    shown.click(".sides tbody tr:first-child td:nth-of-type(2) a")
    shown.wait_for_selector("main[data-view=group]")


def test_an_evaluation_leads_to_its_rows(page: Page) -> None:
    shown = page.open("source=run&view=evaluation")
    assert "whole video" in shown.inner_text("[data-task=temporal_grounding]")
    shown.click("[data-task=object_tracking] a:text('unreadable only')")
    shown.wait_for_selector("main[data-view=table]")
    wait_for_count(shown, "1 group")
    assert ids(shown) == ["box"]


def test_a_stretch_of_a_distribution_becomes_a_filter(page: Page) -> None:
    shown = page.open("source=samples.jsonl&view=table&field=start")
    box = shown.wait_for_selector(".distribution").bounding_box()
    shown.mouse.move(box["x"] + 2, box["y"] + 10)
    shown.mouse.down()
    shown.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10, steps=4)
    shown.mouse.up()
    wait_for_count(shown, "1 sample")
    assert ids(shown) == ["late"] and shown.input_value("#search").startswith("start:0.2")


def test_notes_are_kept_beside_the_run(page: Page, place: Path) -> None:
    shown = page.open(f"source=run&{GROUP}2.jsonl:1")
    shown.keyboard.press("t")
    shown.keyboard.type("hard, odd")
    shown.keyboard.press("Enter")
    until(shown, "document.querySelector('.notes').textContent.includes('saved')")
    assert '"tags": ["hard", "odd"]' in (place / "run" / "notes.jsonl").read_text()
    shown = page.open("source=run&view=table&q=tag:odd")
    wait_for_count(shown, "5 groups")
    (place / "run" / "notes.jsonl").unlink()


def test_a_run_that_trains_is_followed(page: Page, place: Path) -> None:
    run = place / "run"
    shown = page.open("source=run&view=table&q=step%3E3")
    wait_for_count(shown, "0 groups")
    (run / "lock").write_text("{}")
    write_rows(run / "rollouts" / "step-000004.jsonl", step_rows(4))
    wait_for_count(shown, "4 groups")
    until(shown, "document.getElementById('state').textContent === 'live'")
    shown = page.open("source=run&view=overview")
    assert "all groups have zero variance" in shown.inner_text(".notice")
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "reward": 1.777}\n')
    write_rows(run / "rollouts" / "step-000005.jsonl", step_rows(5))
    until(shown, "document.querySelector('main').textContent.includes('1.777')")
    (run / "lock").unlink()


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1400, "light")])
def test_every_page_fits(browser: Any, address: str, width: int, scheme: str) -> None:
    """No page is wider than the window; text can be told from its ground, whatever the reader's setting."""
    found = Page(browser, address, viewport={"width": width, "height": 900}, color_scheme=scheme)
    for query in (
        "view=overview",
        "view=table",
        f"{GROUP}1.jsonl:1",
        "view=evaluation",
        "view=compare&sides=run@0,run@3",
    ):
        shown = found.open(f"source=run&{query}")
        shown.wait_for_timeout(100)
        assert shown.evaluate("document.documentElement.scrollWidth") <= width, query
    ground, ink = shown.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    light, dark = (
        sum(map(int, re.findall(r"\d+", color)[:3]))
        for color in ((ground, ink) if scheme == "light" else (ink, ground))
    )
    assert light - dark > 450
    found.end()


def test_a_page_without_a_server_shows_the_same(browser: Any, place: Path) -> None:
    """`reeltune report --export`: one file, opened from the disk, with clips once, seek and boxes."""
    file = write_export(place / "run", place / "exported")
    assert [path.name for path in (place / "exported").iterdir()] == ["index.html"]
    assert file.read_text().count("data:video/mp4;base64") == 1 and str(place / "run") not in file.read_text()
    found = Page(browser, file.as_uri())
    shown = found.page
    shown.goto(f"{file.as_uri()}#?{GROUP}1.jsonl:2")
    ready(shown)
    box, stage = (shown.query_selector(each).bounding_box() for each in (".box.given", ".stage"))
    assert box["x"] == pytest.approx(stage["x"] + box_at(0)[0] * stage["width"], abs=3)
    area = shown.query_selector(".area").bounding_box()
    shown.click(".area", position={"x": 0.5 * area["width"], "y": 5})
    until(shown, "Math.abs(document.querySelector('video').currentTime - 2) < 0.05")
    shown.keyboard.press("s")
    shown.wait_for_selector("main[data-view=table]")
    shown.fill("#search", "part=rollout reward>1.5 step<3 ")
    until(shown, "document.querySelectorAll('.rows tbody tr').length === 2")
    assert ids(shown) == ["span", "span"]
    found.end()
