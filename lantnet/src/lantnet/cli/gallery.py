"""A page of results to look at: every pair with its maps and, where the truth is known, its scores."""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lantnet.cli.compare import Row, quick_rows, table
from lantnet.detection import Options, Outcome, Progress, detect_sources
from lantnet.errors import InputError
from lantnet.generated.pairs import Recipe, speckled_pair
from lantnet.results.files import staged
from lantnet.results.maps import NO_DATA, UNCHANGED, MemoryMaps
from lantnet.results.metrics import evaluate
from lantnet.results.pictures import Rgb, gray, overlay, save_png, sheet, stretch, verdicts
from lantnet.results.truth import read_truth
from lantnet.scene.names import open_source
from lantnet.scene.rasters import gdal
from lantnet.scene.scale import Scale
from lantnet.scene.source import ArraySource, Source
from lantnet.scene.windows import Window
from lantnet.types import Mask

LARGEST = 2000
"""Pixels a side of a pair on the page; larger scenes belong to `lantnet detect`."""
GENERATED = {
    "fields, 4 looks": Recipe("fields", 0.15, 4, 1),
    "flood, 2 looks": Recipe("flood", 0.1, 2, 2),
    "small objects, 4 looks": Recipe("objects", 0.1, 4, 3),
    "mixed, 1 look": Recipe("mixed", 0.05, 1, 4),
    "nothing changed, 4 looks": Recipe("none", 0, 4, 5),
}


@dataclass(frozen=True)
class Exhibit:
    name: str
    before: Source
    after: Source
    truth: Mask | None


def write_gallery(out: Path, pairs: Path | None, *, recipe: str, seed: int, progress: bool) -> Path:
    """Detect changes in every pair and write index.html and one picture a pair; the page's path."""
    sections = []
    with gdal(), staged(out) as scratch:
        for number, exhibit in enumerate(_generated() if pairs is None else _from_folder(pairs)):
            sections.append(_section(exhibit, f"pair{number + 1:02d}.png", scratch, Options(recipe, seed), progress))
        (scratch / "index.html").write_text(_page(sections, recipe, seed), encoding="utf-8")
    return out / "index.html"


def _generated() -> Iterator[Exhibit]:
    for name, recipe in GENERATED.items():
        pair = speckled_pair(256, 256, recipe)
        before, after = (
            ArraySource(image, word, declared=Scale.POWER)
            for image, word in ((pair.before, "before"), (pair.after, "after"))
        )
        yield Exhibit(name, before, after, pair.truth)


def _from_folder(folder: Path) -> Iterator[Exhibit]:
    found = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not found:
        raise InputError(f"--pairs must be a folder with one subfolder per pair; {folder} has none.")
    for directory in found:
        files = {path.stem: path for path in sorted(directory.iterdir())}
        if not {"im1", "im2"} <= files.keys():
            raise InputError(
                f"the folder of a pair must contain im1.* and im2.* (and optionally gt.*); {directory} does not."
            )
        truth = read_truth(files["gt"])[0] if "gt" in files else None
        yield Exhibit(directory.name, open_source(files["im1"]), open_source(files["im2"]), truth)


def _section(exhibit: Exhibit, picture: str, folder: Path, options: Options, progress: bool) -> str:
    before, after = exhibit.before, exhibit.after
    if max(before.height, before.width) > LARGEST:
        raise InputError(f"the gallery supports images of up to {LARGEST} pixels per side; {before.name} is larger.")
    maps = MemoryMaps(before.height, before.width)
    outcome = detect_sources([(before, after)], maps, options, Progress(progress))
    view = outcome.scene.read(Window(0, 0, before.height, before.width))
    low, high = stretch(view.before, view.after)
    panels: list[tuple[str, Rgb]] = [
        ("before", gray(view.before, low, high)),
        ("after", gray(view.after, low, high)),
        ("probability of change", gray(np.nan_to_num(maps.probabilities), 0, 1)),
        ("changes: orange brighter, blue darker", overlay(gray(view.after, low, high), maps.directions)),
    ]
    text = ""
    if exhibit.truth is not None:
        mask = (maps.directions != UNCHANGED) & (maps.directions != NO_DATA)
        panels += [
            ("truth", gray(exhibit.truth.astype(np.float32), 0, 1)),
            ("white hit, orange false, blue missed", verdicts(mask, exhibit.truth)),
        ]
        scores = [evaluate(mask, exhibit.truth, valid=view.valid)]
        rows = [Row(options.recipe, scores, mask), *quick_rows(view, exhibit.truth, view.valid, options.min_pixels)]
        text = f"<pre>{html.escape(table(rows))}</pre>"
    save_png(folder / picture, sheet(panels, columns=3 if len(panels) > 4 else 4))
    name = html.escape(exhibit.name)
    return (
        f'<section><h2>{name}</h2><p>{html.escape(_facts(outcome))}</p><img src="{picture}" '
        f'alt="before, after, probability and changes of {name}">{text}</section>'
    )


def _facts(outcome: Outcome) -> str:
    changed = outcome.counts["brighter"] + outcome.counts["darker"]
    scene = outcome.scene
    words = (
        f"{scene.width} x {scene.height} pixels, scale {scene.scale} ({scene.scale_source}), "
        f"{100 * changed / scene.valid_pixels:.2f} % changed, {outcome.seconds['total']:.1f} s."
    )
    return " ".join([words, *outcome.notes])


def _page(sections: list[str], recipe: str, seed: int) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>LANTNet gallery</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; --ink: #191919; --paper: #fff; --line: #ddd; --box: #f5f5f5 }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e6e6e6; --paper: #161616; --line: #3a3a3a; --box: #222 }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--paper); overflow-wrap: anywhere }}
h1, h2 {{ line-height: 1.2 }} section {{ margin: 2.5rem 0 }}
img {{ max-width: 100%; height: auto; border: 1px solid var(--line) }}
pre {{ overflow-x: auto; background: var(--box); padding: .75rem; font-size: 13px }}
</style></head><body>
<h1>LANTNet: what changed between two radar images</h1>
<p>Recipe <b>{html.escape(recipe)}</b>, seed {seed}.
The recipe never sees the ground truth; scores are computed afterwards.</p>
{chr(10).join(sections)}
</body></html>
"""
