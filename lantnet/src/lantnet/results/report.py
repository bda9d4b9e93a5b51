"""The run report: everything needed to judge a result and to get it again."""

import platform
from dataclasses import asdict
from typing import Any

from lantnet import __version__
from lantnet.detection import Options, Outcome
from lantnet.scene.areas import middle_area


def run_report(outcome: Outcome, options: Options) -> dict[str, Any]:
    """Plain values only. Times are seconds; `area_m2` is None without a coordinate system."""
    scene = outcome.scene
    changed = outcome.counts["brighter"] + outcome.counts["darker"]
    placed = scene.georeference
    area = middle_area(scene.height, scene.width, placed) if placed else None
    return {
        "before": scene.before.name,
        "after": scene.after.name,
        "width": scene.width,
        "height": scene.height,
        "scale": {"name": str(scene.scale), "source": scene.scale_source, "factor": scene.factor},
        "recipe": options.recipe,
        "options": asdict(options) | {"scale": str(options.scale) if options.scale else None},
        "smallest_region_pixels": outcome.smallest,
        "result": {
            "changed_pixels": changed,
            "changed_percent": round(100 * changed / scene.valid_pixels, 4),
            "changed_area_m2": None if area is None else round(changed * area, 3),
            "brighter_pixels": outcome.counts["brighter"],
            "darker_pixels": outcome.counts["darker"],
            "no_data_pixels": outcome.counts["no_data"],
        },
        "checks": outcome.checks,
        "learning": outcome.record,
        "notes": outcome.notes,
        "seconds": outcome.seconds,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {"python": platform.python_version(), "lantnet": __version__} | {
        name: version(name) for name in ("numpy", "torch", "scipy", "rasterio", "pillow")
    }
