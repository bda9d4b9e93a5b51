"""Square meters on the ellipsoid, whatever the projection: over the date line, around a pole, in Web Mercator.

Points are carried to a plane on which areas are exact, and the shoelace formula does the rest. With s the sine of the
authalic latitude and R the authalic radius (Snyder, Map Projections, 1987, eq. 3-11 to 3-18) that plane is

* for longitude and latitude: the cylinder (R l, R s), where edges of pixels, being parallels and meridians, stay
  straight, and l counts as the grid does, so there is no date line;
* for projected systems: the disc around the nearer pole, of radius R sqrt(2 (1 - |s|)), which knows neither date line
  nor pole. Long edges are cut every `STEP` pixels.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from lantnet.scene.georeference import Georeference
from lantnet.scene.windows import Window
from lantnet.types import Float64

STEP = 16
"""Pixels of an edge that are taken for straight in longitude and authalic latitude."""
KNOT = 64
"""Pixels between the points that the area of single pixels is interpolated from."""
Ring = Sequence[tuple[float, float]]
SEMI_MAJOR, FLATTENING = 6378137.0, 1 / 298.257223563
"""Of WGS 84; other ellipsoids differ by less than 1e-4 of an area."""
ECCENTRICITY = math.sqrt(FLATTENING * (2 - FLATTENING))


def _q(sine: Any) -> Any:
    inner = ECCENTRICITY * sine
    part = (1 - ECCENTRICITY**2) * (sine / (1 - inner**2) + np.arctanh(inner) / ECCENTRICITY)
    return part


POLAR = float(_q(np.float64(1.0)))
RADIUS = SEMI_MAJOR * math.sqrt(POLAR / 2)


def polygon_area(rings: Sequence[Ring], placed: Georeference) -> float | None:
    """Square meters of a polygon in pixels: its outer ring, then holes, as (column, row); None without a CRS."""
    if placed.crs is None:
        return None
    outer, *holes = (_ring_area(ring, placed) for ring in rings)
    return outer - sum(holes)


def pixel_areas(window: Window, placed: Georeference) -> Float64 | None:
    """Square meters of every pixel of a window, (height, width); None without a CRS."""
    if placed.crs is None:
        return None
    rows, columns = (
        np.unique(np.append(np.arange(start, start + size, KNOT), start + size - 1.0))
        for start, size in ((window.top, window.height), (window.left, window.width))
    )
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    points = np.stack(np.meshgrid(columns, rows), axis=-1)[:, :, None, :] + corners
    plane = _equal_area(points.reshape(-1, 2), placed).reshape(len(rows), len(columns), 4, 2)
    knots = _shoelace(plane)
    along = np.stack([np.interp(np.arange(window.left, window.right), columns, row) for row in knots])
    return np.stack([np.interp(np.arange(window.top, window.bottom), rows, column) for column in along.T], axis=1)


def middle_area(height: int, width: int, placed: Georeference) -> float | None:
    """Square meters of the pixel in the middle of a scene; None without a CRS."""
    areas = pixel_areas(Window(height // 2, width // 2, 1, 1), placed)
    return None if areas is None else float(areas[0, 0])


def degrees(points: Float64, placed: Georeference) -> Float64:
    """(N, 2) columns and rows -> longitude and latitude of WGS 84, longitude unwrapped along the points.

    In a geographic system longitudes stay as the grid counts them, so a grid over the date line has none above 180.
    """
    from rasterio.crs import CRS
    from rasterio.warp import transform

    a, b, c, d, e, f = placed.transform
    x, y = a * points[:, 0] + b * points[:, 1] + c, d * points[:, 0] + e * points[:, 1] + f
    if _geographic(placed.crs or "") and CRS.from_wkt(placed.crs).to_epsg() == 4326:
        return np.stack([x, y], axis=1)
    longitude, latitude = (np.asarray(values) for values in transform(placed.crs, "EPSG:4326", x, y))
    return np.stack([np.degrees(np.unwrap(np.radians(longitude))), latitude], axis=1)


def densified(ring: Ring, step: float = STEP) -> Float64:
    """(N, 2) points of a ring, closed, with one on every `step` pixels of its edges."""
    corners = np.asarray(ring, dtype=np.float64)
    if (corners[0] != corners[-1]).any():
        corners = np.concatenate([corners, corners[:1]])
    edges = np.diff(corners, axis=0)
    pieces = np.maximum(np.ceil(np.abs(edges).max(axis=1) / step), 1).astype(np.int64)
    edge = np.repeat(np.arange(len(edges)), pieces)
    piece = np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    points = corners[edge] + edges[edge] * piece[:, None] / pieces[edge, None]
    return np.concatenate([points, corners[-1:]])


def _ring_area(ring: Ring, placed: Georeference) -> float:
    return float(_shoelace(_equal_area(densified(ring), placed)))


def _shoelace(points: Float64) -> Float64:
    """Area within rings (..., N, 2)."""
    x, y = np.moveaxis(points - points[..., :1, :], -1, 0)
    doubled: Float64 = np.abs((x * np.roll(y, -1, axis=-1) - np.roll(x, -1, axis=-1) * y).sum(axis=-1))
    return doubled / 2


def _equal_area(points: Float64, placed: Georeference) -> Float64:
    """(N, 2) columns and rows -> meters on a plane of true areas, (N, 2)."""
    from rasterio.crs import CRS
    from rasterio.warp import transform

    crs = placed.crs or ""
    a, b, c, d, e, f = placed.transform
    x, y = a * points[:, 0] + b * points[:, 1] + c, d * points[:, 0] + e * points[:, 1] + f
    if _geographic(crs):
        factor = float(CRS.from_wkt(crs).units_factor[1])
        sine = _q(np.sin(np.clip(y * factor, -math.pi / 2, math.pi / 2))) / POLAR
        return RADIUS * np.stack([x * factor, sine], axis=1)
    longitude, latitude = (np.radians(np.asarray(values)) for values in transform(crs, "EPSG:4326", x, y))
    sine = _q(np.sin(latitude)) / POLAR
    radius = RADIUS * np.sqrt(np.maximum(2 * (1 - np.copysign(1.0, sine.mean()) * sine), 0))
    return np.stack([radius * np.cos(longitude), radius * np.sin(longitude)], axis=1)


@lru_cache(maxsize=8)
def _geographic(crs: str) -> bool:
    from rasterio.crs import CRS

    return bool(CRS.from_wkt(crs).is_geographic)
