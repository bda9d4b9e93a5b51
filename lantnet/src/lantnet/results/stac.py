"""A STAC item (1.1.0) of a result, so that catalogs know where, from when and what it is."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from lantnet.results.files import as_json
from lantnet.results.polygons import around_the_pole, cut_at_date_line
from lantnet.results.styles import CLASSES
from lantnet.scene.areas import degrees, densified
from lantnet.scene.georeference import Georeference

COG = "image/tiff; application=geotiff; profile=cloud-optimized"
MEDIA = {
    ".tif": COG, ".geojson": "application/geo+json", ".gpkg": "application/geopackage+sqlite3", ".png": "image/png",
    ".json": "application/json", ".qml": "application/xml",
}  # fmt: skip
ROLES = {
    ".tif": "data",
    ".geojson": "data",
    ".gpkg": "data",
    ".png": "overview",
    ".json": "metadata",
    ".qml": "metadata",
}
EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
]


def stac_item(
    name: str,
    placed: Georeference,
    height: int,
    width: int,
    dates: Iterable[str | None],
    files: Iterable[str],
    properties: dict[str, Any],
) -> dict[str, Any]:
    """The item of a scene of height x width pixels.

    dates: ISO 8601, of the images; where none is known, the time of writing stands for it and the item says so. The
    footprint is in longitude and latitude, cut at the date line; its bounding box then has west > east (RFC 7946, 5.2).
    """
    known = sorted(date for date in dates if date)
    time = (
        {"datetime": None, "start_datetime": _instant(known[0]), "end_datetime": _instant(known[-1])}
        if known
        else {
            "datetime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lantnet:datetime_is": "time of processing; the images have no date",
        }
    )
    frame = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
    outline = around_the_pole(degrees(densified(frame, max(height, width) / 8), placed)).round(7)
    footprint = shapely.orient_polygons(cut_at_date_line(shapely.Polygon(outline)))
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": EXTENSIONS,
        "id": name,
        "geometry": json.loads(shapely.to_geojson(footprint)),
        "bbox": _bounds(outline),
        "properties": time | _projection(placed, height, width) | properties,
        "links": [],
        "assets": {_key(file): _asset(file) for file in sorted(files)},
    }


def write_stac_item(path: Path, item: dict[str, Any]) -> None:
    path.write_text(as_json(item), encoding="utf-8")


def _projection(placed: Georeference, height: int, width: int) -> dict[str, Any]:
    from rasterio.crs import CRS

    code = CRS.from_wkt(placed.crs).to_epsg()
    described = {"proj:code": f"EPSG:{code}"} if code else {"proj:code": None, "proj:wkt2": placed.crs}
    return described | {"proj:shape": [height, width], "proj:transform": list(placed.transform)}


def _asset(file: str) -> dict[str, Any]:
    suffix, stem = Path(file).suffix, Path(file).stem
    asset: dict[str, Any] = {
        "href": f"./{file}",
        "type": MEDIA[suffix],
        "roles": [ROLES.get(suffix, "data")],
        "title": file,
    }
    if suffix == ".tif" and stem in CLASSES:
        asset["classification:classes"] = [
            {"value": value, "name": name, "color_hint": "{:02X}{:02X}{:02X}".format(*color[:3])}
            for value, (name, color) in CLASSES[stem].items()
        ]
    return asset


def _key(file: str) -> str:
    return Path(file).stem if file.endswith(".tif") else file.replace(".", "_")


def _instant(date: str) -> str:
    return date if "T" in date else f"{date}T00:00:00Z"


def _bounds(outline: Any) -> list[float]:
    """West, south, east, north; from -180 on, so that west is the greater where the date line lies between."""
    west, east = float(outline[:, 0].min()), float(outline[:, 0].max())
    if east - west >= 360:
        west, east = -180.0, 180.0
    turned = [float((edge + 180) % 360 - 180) for edge in (west, np.nextafter(east, west))]
    return [round(turned[0], 7), float(outline[:, 1].min()), round(turned[1], 7), float(outline[:, 1].max())]
