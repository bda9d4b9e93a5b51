"""What a user should know of a pair before trusting its map."""

from dataclasses import asdict
from typing import Any

from lantnet.scene.doubts import examine_values
from lantnet.scene.pairing import examine_pairing, sample_blocks
from lantnet.scene.scene import Scene


def examine(scene: Scene) -> tuple[dict[str, Any], list[str]]:
    """For the run report: what was measured of both images and of the two together, and remarks in words. The scene
    keeps the shift."""
    views = sample_blocks(scene)
    pairing = examine_pairing(views)
    scene.shift = pairing.shift
    record: dict[str, Any] = {"pairing": asdict(pairing) | {"belongs": pairing.belongs}}
    notes = pairing.remarks()
    valid = [view.valid for view in views]
    for name, band, blocks in (
        ("before", scene.before, [view.before for view in views]),
        ("after", scene.after, [view.after for view in views]),
    ):
        values = examine_values(blocks, valid)
        record[name] = asdict(values)
        notes += values.remarks(band.name, str(scene.scale))
    return record, notes
