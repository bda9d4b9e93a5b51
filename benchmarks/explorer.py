"""How long one waits for the explorer: a million answers filtered and sorted, the first paint of a run's page.

    python benchmarks/explorer.py                    # a million answers: index, filters, sorting, searching
    python benchmarks/explorer.py --paint            # and the first paint of a run of 2,000 groups, in Chromium

Each question is asked --rounds times after a first one, its remembered rows forgotten. `processor s` is what it costs,
`wall s` what one waited on this machine, beside whatever else ran there; both are medians.
"""

import json
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import harness

from reeltune.explorer.opened import Opened
from reeltune.explorer.query import parse
from reeltune.explorer.session import Session
from reeltune.explorer.sources import open_sources

GOAL = 1.0
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
GROUP, STEP = 8, 100
"""Answers of a group, groups of a step."""
COLORS, SHAPES = ("red", "green", "blue", "white"), ("circle", "square", "cross", "triangle")
QUESTIONS = (
    ("answers", "", "-reward"),
    ("answers", "reward<1.5", ""),
    ("answers", "reward:1.4..1.6 truncated=1", "-advantage"),
    ("answers", "step>1000 iou>0.9", "-length"),
    ("answers", "-iou>0.2 format=1", "iou"),
    ("answers", '"blue cross"', ""),
    ("answers", "circle vanishes reward>1", "-reward"),
    ("groups", "std<0.05", "-reward"),
    ("groups", "sample:000123", "step"),
)


def write_run(folder: Path, groups: int, seed: int) -> Path:
    """Rollouts as training writes them, of random numbers; no samples, no media."""
    chance = random.Random(seed)
    (folder / "rollouts").mkdir(parents=True)
    (folder / "config.yaml").write_text("{}\n")
    with (folder / "metrics.jsonl").open("w") as metrics:
        for step in range(1, groups // STEP + 1):
            metrics.write(json.dumps({"step": step, "reward": chance.random(), "loss": chance.random()}) + "\n")
            with (folder / "rollouts" / f"step-{step:06d}.jsonl").open("w") as file:
                file.writelines(json.dumps(_group(chance, groups)) + "\n" for _ in range(STEP))
    return folder


def _group(chance: random.Random, groups: int) -> dict[str, Any]:
    overlaps = [round(chance.random(), 4) for _ in range(GROUP)]
    mean = statistics.fmean(overlaps)
    texts = [
        f"<think>I look for the {chance.choice(COLORS)} {chance.choice(SHAPES)}; it appears, then it vanishes.</think>"
        f"<answer>{chance.uniform(0, 9):.1f} to {chance.uniform(9, 20):.1f}</answer>"
        for _ in range(GROUP)
    ]
    return {
        "id": f"sample-{chance.randrange(groups):06d}",
        "task": "temporal_grounding",
        "texts": texts,
        "reward": [1 + each for each in overlaps],
        "components": {"format": [1.0] * GROUP, "iou": overlaps},
        "advantage": [each - mean for each in overlaps],
        "truncated": [chance.random() < 0.05 for _ in range(GROUP)],
        "unparsed": [False] * GROUP,
        "tokens": [chance.randrange(20, 60) for _ in range(GROUP)],
        "frames": [],
    }


def ask(opened: Opened, table: str, query: str, sort: str) -> int:
    """As the page does: the first hundred rows in order, and how many there are."""
    where = opened.index.where(table, parse(query), {})
    opened.index.rows(table, where, sort=sort, limit=100)
    return opened.index.count(table, where)


def first_paint(run: Path, cache: Path, rounds: int) -> list[tuple[float, float]]:
    """Seconds from the press of Enter to the first contentful paint, by the browser's own clock, and to the run's
    curves, while the index is being made."""
    from playwright.sync_api import sync_playwright

    from reeltune.explorer.serving import serving

    found = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        for number in range(rounds):
            with serving(Session([run], cache=cache / str(number))) as address:
                page = browser.new_page()
                began = time.perf_counter()
                page.goto(f"{address}/")
                page.wait_for_selector(".chart svg")
                curves = time.perf_counter() - began
                found.append((page.evaluate(PAINTED) / 1000, curves))
                page.close()
        browser.close()
    return found


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--paint", action="store_true", help="needs Playwright and Chromium")
    options = parser.parse_args()
    head = harness.start(options)
    verdicts = harness.Verdicts()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        [source] = open_sources([write_run(folder / "run", options.answers // GROUP, options.seed)])
        began = time.process_time()
        opened = Opened(source, folder / "cache")
        opened.load()
        index = time.process_time() - began
        rows = []
        for table, query, sort in QUESTIONS:
            count = ask(opened, table, query, sort)
            wall, cost = [], []
            for _ in range(options.rounds):
                opened.index.forget_found()
                began, worked = time.perf_counter(), time.process_time()
                ask(opened, table, query, sort)
                wall.append(time.perf_counter() - began)
                cost.append(time.process_time() - worked)
            rows.append({"table": table, "filter": query, "sort": sort, "rows found": count,
                         "processor s": statistics.median(cost), "wall s": statistics.median(wall)})  # fmt: skip
            verdicts.check(f"{table} {query!r} {sort}", statistics.median(cost), GOAL, at_least=False)
        size = opened.index.path.stat().st_size / 1e6
        print(f"{options.answers} answers read in {index:.1f} processor seconds; the index takes {size:.0f} MB")
        harness.table(rows)
        result: dict[str, Any] = {**head, "index_seconds": index, "questions": rows}
        if options.paint:
            paint = first_paint(write_run(folder / "small", 2_000, options.seed), folder / "paint", options.rounds)
            for name, seconds in zip(("first paint", "with its curves"), zip(*paint, strict=True), strict=True):
                middle = statistics.median(seconds)
                print(f"{name}, 2,000 groups: median {middle:.2f} s, slowest {max(seconds):.2f} s")
                verdicts.check(name, middle, GOAL, at_least=False)
            result["paint_seconds"] = paint
        verdicts.show()
        harness.write(options, result | {"goals": verdicts.rows})


if __name__ == "__main__":
    main()
