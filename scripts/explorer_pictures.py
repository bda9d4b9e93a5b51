"""The explorer's pictures in docs/, of a run: `python scripts/explorer_pictures.py RUN --spans AT --boxes AT`.

AT is a group's place in the run, FILE:LINE, one with spans and one with boxes; docs/explorer-spans.png, -boxes.png and
-table.png become pictures of these pages, and docs/explorer.png, the README's, of both videos. Needs Playwright and
Chromium.

    reeltune train toy/grpo-2 rl.steps=3 eval.every=0 toyworld.train_videos=96
    python scripts/explorer_pictures.py runs/toy-grpo-2 --spans rollouts/step-000002.jsonl:6 \\
        --boxes rollouts/step-000002.jsonl:5
"""

import argparse
import io
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from reeltune.explorer.group import group_page
from reeltune.explorer.serving import serving
from reeltune.explorer.session import Session

DOCS = Path(__file__).parents[1] / "docs"
SIZE = {"width": 1180, "height": 760}
VIDEOS = ((8, 92, 588, 716), (8, 92, 588, 644))
"""Where video and time line stand on the page of spans, video and frames on that of boxes: left, top, right, bottom."""


def keep(page: Page, name: str) -> Image.Image:
    page.wait_for_timeout(1500)
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        return save(picture.convert("RGB"), name)


def save(picture: Image.Image, name: str) -> Image.Image:
    """As a PNG of 128 colors: a tenth of the bytes, and nobody sees it."""
    picture.quantize(128).save(DOCS / name, optimize=True)
    print(DOCS / name)
    return picture


def side_by_side(pages: list[Image.Image]) -> Image.Image:
    parts = [page.crop(box) for page, box in zip(pages, VIDEOS, strict=True)]
    size = sum(part.width for part in parts), max(part.height for part in parts)
    both = Image.new("RGB", size, parts[0].getpixel((0, 0)))
    for place, part in enumerate(parts):
        both.paste(part, (sum(each.width for each in parts[:place]), 0))
    return both


def middle(truth: dict[str, Any]) -> float:
    """A moment, in seconds, at which what is true can be seen."""
    times = truth["boxes"]["times"] if truth["boxes"] else [time for span in truth["spans"] for time in span]
    return float(sum(times) / len(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--spans", required=True, metavar="AT")
    parser.add_argument("--boxes", required=True, metavar="AT")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache, sync_playwright() as play, ExitStack() as stack:
        session = Session([options.run], cache=Path(cache))
        [opened] = session.opened.values()
        opened.load()
        address = stack.enter_context(serving(session))
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
        page.set_default_timeout(120_000)
        pages = []
        for at, name in ((options.spans, "explorer-spans.png"), (options.boxes, "explorer-boxes.png")):
            time = middle(group_page(opened, at)["truth"])
            page.goto(f"{address}/?view=group&at={at}")
            page.wait_for_selector(".player[data-ready]")
            page.evaluate("document.querySelector('video').controls = false")
            page.evaluate("time => { document.querySelector('video').currentTime = time; }", time)
            page.wait_for_selector(".film")
            pages.append(keep(page, name))
        save(side_by_side(pages), "explorer.png")
        page.goto(f"{address}/?view=table&table=answers&q=part=rollout&sort=-advantage")
        page.wait_for_selector(".rows tbody tr")
        keep(page, "explorer-table.png")


if __name__ == "__main__":
    main()
