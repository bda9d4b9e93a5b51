"""Changed areas as polygons: GeoPackage in the scene's own coordinates, GeoJSON in longitude and latitude."""

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from lantnet.results.maps import BRIGHTER, DARKER
from lantnet.scene.areas import Ring, degrees, densified, polygon_area
from lantnet.scene.georeference import Georeference

DIRECTIONS: Mapping[int, dict[str, Any]] = {BRIGHTER: {"direction": "brighter"}, DARKER: {"direction": "darker"}}
"""The codes of a direction map that are areas of change, and what their polygons are told by."""
CHUNK = 10_000
EDGE = 64
"""Pixels of an edge that are drawn as one straight line of longitude and latitude."""


@dataclass(frozen=True)
class Polygon:
    """One area of one code. `rings` (outer, then holes) run along pixel borders, as (column, row)."""

    code: int
    rings: list[Ring]

    @property
    def pixels(self) -> int:
        return round(float(shapely.Polygon(self.rings[0], self.rings[1:]).area))


def polygons(
    codes: NDArray[Any] | Path, wanted: Mapping[int, Any] = DIRECTIONS, mask: Path | None = None
) -> Iterator[Polygon]:
    """The 4-connected areas of the wanted codes of a map, an array (H, W) or a GeoTIFF (which is read line by line).

    mask: an 8-bit GeoTIFF that is 0 where nothing is wanted; the map itself, where it has 8 bits.
    Four-connected, because areas that touch in a corner only would be invalid polygons.
    """
    import rasterio
    from rasterio import features

    if isinstance(codes, Path):
        with rasterio.open(codes) as dataset, rasterio.open(mask or codes) as where:
            # GDAL places what it reads from a file on the ground; back to columns and rows, which are whole.
            found = features.shapes(rasterio.band(dataset, 1), mask=rasterio.band(where, 1))
            yield from _wanted(found, ~dataset.transform, wanted)
    else:
        found = features.shapes(codes, mask=np.isin(codes, list(wanted)))
        yield from _wanted(found, rasterio.Affine.identity(), wanted)


def _wanted(
    shapes: Iterator[tuple[dict[str, Any], float]], to_pixels: Any, wanted: Mapping[int, Any]
) -> Iterator[Polygon]:
    a, b, c, d, e, f, *_ = to_pixels
    for shape, value in shapes:
        if int(value) in wanted:
            rings: list[Ring] = [
                [(float(round(a * x + b * y + c)), float(round(d * x + e * y + f))) for x, y in ring]
                for ring in shape["coordinates"]
            ]
            yield Polygon(int(value), rings)


def write_polygons(
    folder: Path,
    codes: NDArray[Any] | Path,
    placed: Georeference | None,
    wanted: Mapping[int, dict[str, Any]] = DIRECTIONS,
    mask: Path | None = None,
) -> tuple[int, float | None]:
    """changes.gpkg and changes.geojson; how many polygons there are, and their square meters (None without a CRS).

    Attributes: id, those of the code, pixels, area_m2 (on the ellipsoid; null without a CRS). Without a CRS the
    coordinates are columns and rows of pixels in both files.
    """
    count, total = 0, 0.0
    path = folder / "changes.gpkg"
    with (folder / "changes.geojson").open("w", encoding="utf-8") as geojson:
        geojson.write('{"type": "FeatureCollection", "features": [')
        remaining = polygons(codes, wanted, mask)
        _write_geopackage(path, [], [next(iter(wanted.values())) | {"pixels": 0, "area_m2": None}], placed)
        while chunk := list(islice(remaining, CHUNK)):
            rows = [
                {"id": count + i + 1}
                | wanted[polygon.code]
                | {"pixels": polygon.pixels, "area_m2": _area(polygon, placed)}
                for i, polygon in enumerate(chunk)
            ]
            _write_geopackage(path, chunk, rows, placed)
            for polygon, row in zip(chunk, rows, strict=True):
                geometry = shapely.geometry.mapping(_longitude_latitude(polygon, placed))
                feature = {"type": "Feature", "properties": row, "geometry": geometry}
                geojson.write((",\n" if row["id"] > 1 else "\n") + json.dumps(feature, allow_nan=False))
            count += len(chunk)
            total += sum(row["area_m2"] or 0.0 for row in rows)
        geojson.write("\n]}\n")
    return count, None if placed is None or placed.crs is None else round(total, 3)


def _area(polygon: Polygon, placed: Georeference | None) -> float | None:
    area = None if placed is None else polygon_area(polygon.rings, placed)
    return None if area is None else round(area, 3)


def _on_the_ground(polygon: Polygon, placed: Georeference | None) -> Any:
    if placed is None:
        return shapely.Polygon(polygon.rings[0], polygon.rings[1:])
    a, b, c, d, e, f = placed.transform
    outer, *holes = (np.asarray(ring) @ np.array([[a, d], [b, e]]) + (c, f) for ring in polygon.rings)
    return shapely.Polygon(outer, holes)


def _longitude_latitude(polygon: Polygon, placed: Georeference | None) -> Any:
    """The polygon in longitude and latitude, cut at the date line, outer rings counter-clockwise (RFC 7946)."""
    if placed is None or placed.crs is None:
        return shapely.orient_polygons(_on_the_ground(polygon, placed))
    outer, *holes = (around_the_pole(degrees(densified(ring, EDGE), placed)) for ring in polygon.rings)
    for hole in holes:
        hole[:, 0] += 360 * np.round((outer[:, 0].mean() - hole[:, 0].mean()) / 360)
    return shapely.orient_polygons(cut_at_date_line(shapely.Polygon(outer.round(9), [hole.round(9) for hole in holes])))


def around_the_pole(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2) longitude (unwrapped) and latitude of a ring; one that goes around a pole is led over the pole."""
    if abs(ring[-1, 0] - ring[0, 0]) < 180:
        return ring
    pole = np.copysign(90.0, ring[:, 1].mean())
    return np.concatenate([ring, [[ring[-1, 0], pole], [ring[0, 0], pole], ring[0]]])


def cut_at_date_line(polygon: Any) -> Any:
    """A polygon of unwrapped longitudes as one or several within -180..180 (RFC 7946, 3.1.9)."""
    west, _, east, _ = polygon.bounds
    first, last = (int(np.floor((edge + 180) / 360)) for edge in (west, np.nextafter(east, west)))
    if first == last:
        return shapely.transform(polygon, lambda points: points - [360.0 * first, 0.0])
    parts = []
    for turn in range(first, last + 1):
        part = polygon.intersection(shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90))
        moved = shapely.transform(part, lambda points, turn=turn: points - [360.0 * turn, 0.0])
        parts += [piece for piece in shapely.get_parts(moved) if piece.geom_type == "Polygon"]
    return shapely.MultiPolygon(parts)


def _write_geopackage(
    path: Path, chunk: list[Polygon], rows: list[dict[str, Any]], placed: Georeference | None
) -> None:
    """Append polygons; without any, `rows` shows what attributes there are."""
    from pyogrio import raw

    fields = [name for name in rows[0] if name != "id"]
    kinds: dict[type, Any] = {str: object, int: np.int64, float: np.float64, type(None): np.float64}
    types = [np.float64 if name == "area_m2" else kinds[type(rows[0][name])] for name in fields]
    columns = [
        np.array([np.nan if row[name] is None else row[name] for row in rows][: len(chunk)], dtype=kind)
        for name, kind in zip(fields, types, strict=True)
    ]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        raw.write(
            path,
            geometry=shapely.to_wkb(np.array([_on_the_ground(polygon, placed) for polygon in chunk], dtype=object)),
            field_data=columns,
            fields=np.array(fields, dtype=object),
            geometry_type="Polygon",
            crs=placed.crs if placed else None,
            driver="GPKG",
            layer="changes",
            append=path.exists(),
        )
