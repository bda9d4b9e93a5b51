"""The explorer's pictures in docs/, of a run: `python scripts/explorer_pictures.py RUN --spans AT --boxes AT`.

AT is a group's place in the run, FILE:LINE, one with spans and one with boxes; docs/explorer-spans.png, -boxes.png and
-table.png become pictures of these pages. Needs Playwright and Chromium.

    reeltune train recipes/toy/mixed.yaml rl.steps=6 eval.every=3
    python scripts/explorer_pictures.py runs/toy-mixed --spans rollouts/step-000006.jsonl:6 \\
        --boxes rollouts/step-000001.jsonl:6
"""

import argparse
import io
import shutil
import socket
import tempfile
import threading
from pathlib import Path

import uvicorn
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from reeltune.explorer.app import make_app
from reeltune.explorer.session import Session

DOCS = Path(__file__).parents[1] / "docs"
SIZE = {"width": 1180, "height": 760}


def keep(page: Page, name: str) -> None:
    """As a PNG of 128 colors: a tenth of the bytes, and nobody sees it."""
    page.wait_for_timeout(1500)
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").quantize(128).save(DOCS / name, optimize=True)
    print(DOCS / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--spans", required=True, metavar="AT")
    parser.add_argument("--boxes", required=True, metavar="AT")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache, sync_playwright() as play, socket.socket() as listening:
        session = Session([options.run], cache=Path(cache))
        [opened] = session.opened.values()
        opened.load()
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(make_app(session), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
        page.set_default_timeout(120_000)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        for at, name, time in ((options.spans, "explorer-spans.png", 2.2), (options.boxes, "explorer-boxes.png", 5.3)):
            page.goto(f"{address}?view=group&at={at}")
            page.wait_for_selector(".player[data-ready]")
            page.evaluate("document.querySelector('video').controls = false")
            page.evaluate("time => { document.querySelector('video').currentTime = time; }", time)
            page.wait_for_selector(".film")
            keep(page, name)
        page.goto(f"{address}?view=table&table=answers&q=part=rollout&sort=-advantage")
        page.wait_for_selector(".rows tbody tr")
        keep(page, "explorer-table.png")
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    main()
