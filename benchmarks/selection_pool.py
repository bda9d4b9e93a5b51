"""The pool of benchmarks/selection.py, most of it too easy or impossible, and the questions its arms are asked."""

import random
from pathlib import Path
from typing import Any

from reeltune.files import write_jsonl
from reeltune.media import rebase
from reeltune.toyworld.generate import generate
from reeltune.training.journal import read_jsonl

SHARES = {"informative": 0.12, "easy": 0.45, "wrong key": 0.35, "wrong unit": 0.08}
Row = dict[str, Any]


def make_pool(folder: Path, seed: int, size: int) -> Path:
    """folder/pool.jsonl: the parts in random order, under ids that say where each sample is from."""
    path = folder / "pool.jsonl"
    if path.exists():
        return path
    rows: list[Row] = []
    for number, (part, share) in enumerate(SHARES.items()):
        grounding = part in ("informative", "wrong unit")
        file = generate(
            folder / "videos" / part.replace(" ", "-"),
            videos=round(share * size),
            seed=1000 * seed + number,
            tasks=["temporal_grounding/visible" if grounding else "multiple_choice/colour"],
            objects=(1, 3) if grounding else (1, 1),
        )
        for row in read_jsonl(file):
            moved = rebase(row, file.parent / row["video"], folder)
            rows.append(spoilt(part, moved) | {"id": f"{part}-{row['id']}", "source": part})
    random.Random(seed).shuffle(rows)
    write_jsonl(path, rows)
    return path


def spoilt(part: str, row: Row) -> Row:
    """The sample with the annotation error of its part."""
    if part == "wrong key":
        letters = "ABCDEFGH"[: len(row["options"])]
        return row | {"target": letters[(letters.index(row["target"]) + 1) % len(letters)]}
    if part == "wrong unit":
        return row | {"target": [[round(edge / row["duration"], 3) for edge in span] for span in row["target"]]}
    return row


def make_held_out(folder: Path) -> Path:
    """Questions about time, and multiple choice of colors: the same for every seed and arm."""
    path = folder / "held-out.jsonl"
    if path.exists():
        return path
    rows: list[Row] = []
    for task, videos in (("temporal_grounding/visible", 256), ("multiple_choice/colour", 64)):
        file = generate(folder / "held-out" / task.split("/")[0], videos=videos, split="held_out", tasks=[task])
        rows += [
            rebase(row, file.parent / row["video"], folder) | {"id": f"{task}-{row['id']}"} for row in read_jsonl(file)
        ]
    write_jsonl(path, rows)
    return path
