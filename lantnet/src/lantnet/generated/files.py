"""Write a generated pair with its truth as GeoTIFF, window by window, so at any size."""

from pathlib import Path
from typing import Any

from lantnet.errors import InputError
from lantnet.generated.pairs import Recipe, speckled_pair
from lantnet.results.files import staged
from lantnet.scene.rasters import gdal
from lantnet.scene.scene import SMALLEST, Track
from lantnet.scene.windows import tiles

PIXEL_METERS = 10.0
NAMES = ("before.tif", "after.tif", "truth.tif")


def simulate_files(out: Path, size: int, recipe: Recipe, track: Track) -> list[Path]:
    """before.tif and after.tif (float32, linear power) and truth.tif (0, 1), size x size pixels of 10 m in UTM 32 N."""
    import rasterio
    from rasterio.transform import Affine

    if size < SMALLEST:
        raise InputError(f"a scene must be at least {SMALLEST} pixels per side; got {size}.")
    if not 0 <= recipe.density <= 1 or recipe.looks <= 0:
        raise InputError(
            "the density of change must be within 0..1 and the number of looks above 0; "
            f"got {recipe.density} and {recipe.looks}."
        )
    profile: dict[str, Any] = {
        "driver": "GTiff", "height": size, "width": size, "count": 1, "tiled": True, "blockxsize": 512,
        "blockysize": 512, "crs": "EPSG:32632", "bigtiff": "if_safer",
        "transform": Affine(PIXEL_METERS, 0, 500_000, 0, -PIXEL_METERS, 5_200_000),
    }  # fmt: skip
    with gdal(), staged(out) as scratch:
        before_path, after_path, truth_path = (scratch / name for name in NAMES)
        with (
            rasterio.open(before_path, "w", dtype="float32", **profile) as before,
            rasterio.open(after_path, "w", dtype="float32", **profile) as after,
            rasterio.open(truth_path, "w", dtype="uint8", compress="deflate", **profile) as truth,
        ):
            for window in track(tiles(size, size, 1024), "simulate"):
                pair = speckled_pair(window.height, window.width, recipe, top=window.top, left=window.left)
                before.write(pair.before, 1, window=window.slices)
                after.write(pair.after, 1, window=window.slices)
                truth.write(pair.truth.astype("uint8"), 1, window=window.slices)
    return [out / name for name in NAMES]
