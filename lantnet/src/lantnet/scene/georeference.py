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

    def moved(self, rows: float, columns: float) -> "Georeference":
        """The grid whose pixels lie `rows` down and `columns` right of these."""
        a, b, _, d, e, _ = self.transform
        x, y = self.point(columns, rows)
        return Georeference(self.crs, (a, b, x, d, e, y))


@dataclass(frozen=True)
class Grid:
    """Pixels on the ground: where, and how many."""

    crs: str
    transform: tuple[float, float, float, float, float, float]
    height: int
    width: int


def georeference_of(dataset: Any, name: str) -> Georeference | None:
    """None for a plain image; an error for one that is tied to the ground by control points only."""
    placed = not dataset.transform.is_identity
    if not placed and (dataset.gcps[0] or dataset.rpcs is not None):
        raise InputError(
            f"{name} is in radar geometry: it has ground control points but no map grid, so pixels of two dates "
            "do not coincide. Terrain-correct both scenes to one grid first (SNAP: Range-Doppler Terrain Correction; "
            "or pyroSAR; or order an RTC product), then run this again."
        )
    if not placed:
        return None  # also where the file names a system: it does not say where in it
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
            f"both images must be on the same map grid; {placed.name} has one and {bare.name} has none. "
            "Use the georeferenced version of both, or plain images of both."
        )
    if not _same_crs(first.crs, second.crs):
        raise InputError(
            f"both images must have the same coordinate system; {before.name} has {_short(first.crs)}, {after.name} "
            f"{_short(second.crs)}. {_how_to_align(before)}"
        )
    corners = [(0, 0), (before.width, 0), (0, before.height), (before.width, before.height)]
    pixel = max(abs(first.transform[0]) + abs(first.transform[1]), abs(first.transform[3]) + abs(first.transform[4]))
    shift = max(
        max(abs(p - q) for p, q in zip(first.point(*corner), second.point(*corner), strict=True)) for corner in corners
    )
    if shift > 0.01 * pixel:
        raise InputError(
            f"both images must share one pixel grid to a hundredth of a pixel; {after.name} is off by "
            f"{shift / pixel:.3g} pixels relative to {before.name}. {_how_to_align(before)}"
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
        return "Crop or resample the second image to the first."
    x0, y0 = before.georeference.point(0, 0)
    x1, y1 = before.georeference.point(before.width, before.height)
    left, right, bottom, top = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    return (
        "Use --align to resample the second image to the grid of the first, or create it with: gdalwarp -r "
        f"bilinear -t_srs {_short(before.georeference.crs)} -te {left:.10g} {bottom:.10g} {right:.10g} {top:.10g} "
        f"-ts {before.width} {before.height} AFTER.tif ALIGNED.tif"
    )
