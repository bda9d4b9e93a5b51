"""The explorer's pictures in docs/, of a run: `python scripts/explorer_pictures.py RUN --spans AT --boxes AT`.

AT is a group's place in the run, FILE:LINE, one with spans and one with boxes; docs/explorer-spans.png, -boxes.png and
-table.png become pictures of these pages. Needs Playwright and Chromium.

    reeltune train recipes/toy/mixed-sft.yaml
    reeltune train recipes/toy/mixed.yaml model.path=runs/toy-mixed-sft/checkpoints/step-000200/model rl.steps=2 \\
        eval.every=0
    python scripts/explorer_pictures.py runs/toy-mixed --spans rollouts/step-000001.jsonl:9 \\
        --boxes rollouts/step-000002.jsonl:3
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


def keep(page: Page, name: str) -> None:
    """As a PNG of 128 colors: a tenth of the bytes, and nobody sees it."""
    page.wait_for_timeout(1500)
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").quantize(128).save(DOCS / name, optimize=True)
    print(DOCS / name)


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
        for at, name in ((options.spans, "explorer-spans.png"), (options.boxes, "explorer-boxes.png")):
            time = middle(group_page(opened, at)["truth"])
            page.goto(f"{address}/?view=group&at={at}")
            page.wait_for_selector(".player[data-ready]")
            page.evaluate("document.querySelector('video').controls = false")
            page.evaluate("time => { document.querySelector('video').currentTime = time; }", time)
            page.wait_for_selector(".film")
            keep(page, name)
        page.goto(f"{address}/?view=table&table=answers&q=part=rollout&sort=-advantage")
        page.wait_for_selector(".rows tbody tr")
        keep(page, "explorer-table.png")


if __name__ == "__main__":
    main()
