"""The picture of the README: one generated pair, its map, and the truth.

python lantnet/benchmarks/picture.py lantnet/docs/nasty.jpg
"""

import sys
from pathlib import Path

import numpy as np
import torch

import lantnet
from lantnet.generated.nasty import Nasty, nasty_pair
from lantnet.results.pictures import gray, overlay, sheet, stretch, verdicts


def main() -> None:
    torch.set_num_threads(1)
    pair = nasty_pair(256, 256, Nasty(share=0.12, strengths=(-10.0, -5.0, 7.0), looks=4, water=0.15, blob=9, seed=4))
    result = lantnet.detect(pair.before, pair.after)
    before, after = (np.sqrt(image) for image in (pair.before, pair.after))
    low, high = stretch(before, after)
    panels = [
        ("before", gray(before, low, high)),
        ("after", gray(after, low, high)),
        ("probability of change", gray(result.probability, 0, 1)),
        ("changes: orange brighter, blue darker", overlay(gray(after, low, high), result.direction)),
        ("truth", gray(pair.truth.astype(np.float32), 0, 1)),
        ("white hit, orange false, blue missed", verdicts(result.mask, pair.truth)),
    ]
    sheet(panels, columns=3).save(Path(sys.argv[1]), quality=88)
    print(f"KC {lantnet.evaluate(result.mask, pair.truth).kc:.1f}")


if __name__ == "__main__":
    main()
