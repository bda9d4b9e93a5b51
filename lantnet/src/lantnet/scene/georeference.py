"""Where an image lies on the ground, and whether two images lie on the same grid."""

from dataclasses import dataclass
from typing import Any

from lantnet.errors import InputError


@dataclass(frozen=True)
class Georeference:
    """`crs`: WKT, or None where only a transform is known. `transform`: a, b, c, d, e, f of
    x = a col + b row + c, y = d col + e row + f, in units of the CRS, at the corners of pixels."""

    crs: str | None
    transform: tuple[float, float, float, float, float, float]

    def point(self, column: float, row: float) -> tuple[float, float]:
        a, b, c, d, e, f = self.transform
        return a * column + b * row + c, d * column + e * row + f

    def pixel_area(self, height: int, width: int) -> float | None:
        """Square metres of a pixel (for longitude and latitude: of the one in the middle); None without a CRS."""
        a, b, _, d, e, _ = self.transform
        metres = metres_per_unit(self.crs)
        if metres is not None:
            return abs(a * e - b * d) * metres**2
        if self.crs is None:
            return None
        row, column = height // 2, width // 2
        corners = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)]
        return ring_area(equal_area([self.point(*corner) for corner in corners], self.crs))


def metres_per_unit(crs: str | None) -> float | None:
    """Of a projected CRS; None for longitude and latitude, or without a CRS."""
    from rasterio.crs import CRS

    if crs is None:
        return None
    parsed = CRS.from_wkt(crs)
    return float(parsed.linear_units_factor[1]) if parsed.is_projected else None


def equal_area(points: list[tuple[float, float]], crs: str) -> list[tuple[float, float]]:
    """Longitude and latitude in the cylindrical equal-area projection EPSG:6933, metres: areas are exact there,
    and the edges of pixels, being parallels and meridians, stay straight."""
    from rasterio.warp import transform

    x, y = transform(crs, "EPSG:6933", [point[0] for point in points], [point[1] for point in points])
    return list(zip(x, y, strict=True))


def ring_area(points: list[tuple[float, float]]) -> float:
    """Area within a ring of corners, by the shoelace formula; the ring may repeat its first corner."""
    following = points[1:] + points[:1]
    x0, y0 = points[0]
    return (
        abs(
            sum(
                (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
                for (x1, y1), (x2, y2) in zip(points, following, strict=True)
            )
        )
        / 2
    )


def georeference_of(dataset: Any, name: str) -> Georeference | None:
    """None for a plain image; an error for one that is tied to the ground by control points only."""
    placed = not dataset.transform.is_identity
    if not placed and (dataset.gcps[0] or dataset.rpcs is not None):
        raise InputError(
            f"{name} is in radar geometry: it has ground control points, no map grid, so pixels of two dates do not "
            "lie on each other. Terrain-correct both scenes to one grid first (SNAP: Range-Doppler Terrain "
            "Correction; or pyroSAR; or order an RTC product), then run this again."
        )
    if not placed and dataset.crs is None:
        return None
    crs = dataset.crs.to_wkt() if dataset.crs else None
    return Georeference(crs, tuple(dataset.transform)[:6])


def check_same_grid(before: Any, after: Any) -> None:
    """Refuse two bands whose pixels do not lie on each other."""
    if (before.height, before.width) != (after.height, after.width):
        raise InputError(
            f"both images must have the same size; {before.name} is {before.width} x {before.height} (width x height), "
            f"{after.name} {after.width} x {after.height}. {_how_to_align(before)}"
        )
    first, second = before.georeference, after.georeference
    if first is None and second is None:
        return
    if first is None or second is None:
        placed, bare = (before, after) if first else (after, before)
        raise InputError(
            f"both images must be on one map grid; {placed.name} has one and {bare.name} has none. "
            "Use the georeferenced version of both, or plain images of both."
        )
    if not _same_crs(first.crs, second.crs):
        raise InputError(
            f"both images must have one coordinate system; {before.name} has {_short(first.crs)}, {after.name} "
            f"{_short(second.crs)}. {_how_to_align(before)}"
        )
    corners = [(0, 0), (before.width, 0), (0, before.height), (before.width, before.height)]
    pixel = max(abs(first.transform[0]) + abs(first.transform[1]), abs(first.transform[3]) + abs(first.transform[4]))
    shift = max(
        max(abs(p - q) for p, q in zip(first.point(*corner), second.point(*corner), strict=True)) for corner in corners
    )
    if shift > 0.01 * pixel:
        raise InputError(
            f"both images must share their pixel grid to a hundredth of a pixel; {after.name} is off by "
            f"{shift / pixel:.3g} pixels against {before.name}. {_how_to_align(before)}"
        )


def _same_crs(first: str | None, second: str | None) -> bool:
    from rasterio.crs import CRS

    if first is None or second is None:
        return first == second
    return bool(CRS.from_wkt(first) == CRS.from_wkt(second))


def _short(crs: str | None) -> str:
    from rasterio.crs import CRS

    if crs is None:
        return "none"
    parsed = CRS.from_wkt(crs)
    code = parsed.to_epsg()
    return f"EPSG:{code}" if code else str(parsed.to_string())[:60]


def _how_to_align(before: Any) -> str:
    if before.georeference is None or before.georeference.crs is None:
        return "Cut or resample the second image to the first."
    x0, y0 = before.georeference.point(0, 0)
    x1, y1 = before.georeference.point(before.width, before.height)
    left, right, bottom, top = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    return (
        "Resample the second image to the first: gdalwarp -r bilinear "
        f"-t_srs {_short(before.georeference.crs)} -te {left:.10g} {bottom:.10g} {right:.10g} {top:.10g} "
        f"-ts {before.width} {before.height} AFTER.tif ALIGNED.tif"
    )
