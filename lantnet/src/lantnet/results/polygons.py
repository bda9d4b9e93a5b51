"""Changed areas as polygons: GeoPackage in the scene's own coordinates, GeoJSON in longitude and latitude."""

import json
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from lantnet.results.maps import BRIGHTER, DARKER
from lantnet.scene.georeference import Georeference, equal_area, metres_per_unit, ring_area
from lantnet.types import Labels

Ring = list[tuple[float, float]]
NAMES = {BRIGHTER: "brighter", DARKER: "darker"}
CHUNK = 10_000


@dataclass(frozen=True)
class Polygon:
    """One area of one direction. `rings` (outer, then holes) run along pixel borders, as (column, row)."""

    direction: str
    rings: list[Ring]

    @property
    def pixels(self) -> int:
        outer, *holes = (ring_area(ring) for ring in self.rings)
        return round(outer - sum(holes))


def polygons(direction: Labels | Path) -> Iterator[Polygon]:
    """The 4-connected areas of a direction map, an array (H, W) or a GeoTIFF (which is read line by line).

    Four-connected, because areas that touch in a corner only would be invalid polygons.
    """
    import rasterio
    from rasterio import features

    if isinstance(direction, Path):
        with rasterio.open(direction) as dataset, rasterio.open(direction.with_name("mask.tif")) as mask:
            # GDAL places what it reads from a file on the ground; back to columns and rows, which are whole.
            found = features.shapes(rasterio.band(dataset, 1), mask=rasterio.band(mask, 1))
            yield from _named(found, ~dataset.transform)
    else:
        changed = np.isin(direction, list(NAMES))
        yield from _named(features.shapes(direction, mask=changed), rasterio.Affine.identity())


def _named(shapes: Iterator[tuple[dict[str, Any], float]], to_pixels: Any) -> Iterator[Polygon]:
    a, b, c, d, e, f, *_ = to_pixels
    for shape, value in shapes:
        # The mask of a file lets no-data pixels (255) in as well: they have no name.
        if int(value) in NAMES:
            rings = [
                [(float(round(a * x + b * y + c)), float(round(d * x + e * y + f))) for x, y in ring]
                for ring in shape["coordinates"]
            ]
            yield Polygon(NAMES[int(value)], rings)


def write_polygons(folder: Path, direction: Labels | Path, placed: Georeference | None) -> int:
    """changes.gpkg and changes.geojson; returns how many polygons there are.

    Attributes: id, direction (brighter or darker), pixels, area_m2 (null without a CRS). Without a CRS the
    coordinates are columns and rows of pixels in both files.
    """
    count = 0
    with (folder / "changes.geojson").open("w", encoding="utf-8") as geojson:
        geojson.write('{"type": "FeatureCollection", "features": [')
        remaining = polygons(direction)
        _write_geopackage(folder / "changes.gpkg", [], [], placed)
        while chunk := list(islice(remaining, CHUNK)):
            rows = [_attributes(count + i + 1, polygon, placed) for i, polygon in enumerate(chunk)]
            _write_geopackage(folder / "changes.gpkg", chunk, rows, placed)
            for polygon, row in zip(chunk, rows, strict=True):
                geometry = {"type": "Polygon", "coordinates": _geojson_rings(polygon, placed)}
                feature = {"type": "Feature", "properties": row, "geometry": geometry}
                geojson.write((",\n" if row["id"] > 1 else "\n") + json.dumps(feature, allow_nan=False))
            count += len(chunk)
        geojson.write("\n]}\n")
    return count


def _attributes(number: int, polygon: Polygon, placed: Georeference | None) -> dict[str, Any]:
    return {
        "id": number,
        "direction": polygon.direction,
        "pixels": polygon.pixels,
        "area_m2": _area(polygon, placed),
    }


def _area(polygon: Polygon, placed: Georeference | None) -> float | None:
    if placed is None or placed.crs is None:
        return None
    if metres_per_unit(placed.crs) is not None:
        area = placed.pixel_area(1, 1)
        return None if area is None else round(polygon.pixels * area, 3)
    outer, *holes = (ring_area(equal_area(ring, placed.crs)) for ring in _placed_rings(polygon, placed))
    return round(outer - sum(holes), 3)


def _placed_rings(polygon: Polygon, placed: Georeference | None) -> list[Ring]:
    if placed is None:
        return polygon.rings
    return [[placed.point(column, row) for column, row in ring] for ring in polygon.rings]


def _geojson_rings(polygon: Polygon, placed: Georeference | None) -> list[Ring]:
    """Longitude and latitude, outer ring counter-clockwise, holes clockwise (RFC 7946)."""
    from rasterio.warp import transform

    rings = _placed_rings(polygon, placed)
    if placed is not None and placed.crs is not None:
        moved = []
        for ring in rings:
            x, y = transform(placed.crs, "EPSG:4326", [point[0] for point in ring], [point[1] for point in ring])
            moved.append([(round(a, 9), round(b, 9)) for a, b in zip(x, y, strict=True)])
        rings = moved
    return [ring if (_signed(ring) > 0) == (i == 0) else ring[::-1] for i, ring in enumerate(rings)]


def _signed(ring: Ring) -> float:
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True))


def _write_geopackage(
    path: Path, chunk: list[Polygon], rows: list[dict[str, Any]], placed: Georeference | None
) -> None:
    from pyogrio import raw

    fields = ("direction", "pixels", "area_m2")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        raw.write(
            path,
            geometry=np.array([_wkb(_placed_rings(polygon, placed)) for polygon in chunk], dtype=object),
            field_data=[
                np.array([row["direction"] for row in rows], dtype=object),
                np.array([row["pixels"] for row in rows], dtype=np.int64),
                np.array([np.nan if row["area_m2"] is None else row["area_m2"] for row in rows], dtype=np.float64),
            ],
            fields=np.array(fields, dtype=object),
            geometry_type="Polygon",
            crs=placed.crs if placed else None,
            driver="GPKG",
            layer="changes",
            append=path.exists(),
        )


def _wkb(rings: list[Ring]) -> bytes:
    """Well-known binary of a polygon: byte order, type 3, rings of points."""
    parts = [struct.pack("<BII", 1, 3, len(rings))]
    for ring in rings:
        parts.append(struct.pack("<I", len(ring)))
        parts += [struct.pack("<dd", x, y) for x, y in ring]
    return b"".join(parts)
