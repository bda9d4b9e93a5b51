"""What a user calls an image by: a file, a URL, a member of an archive, a variable of a NetCDF or HDF5 file."""

import re
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from lantnet.errors import InputError
from lantnet.scene import pictures
from lantnet.scene.georeference import Grid
from lantnet.scene.rasters import GdalSource, open_raster
from lantnet.scene.source import NumpySource, Source

SUBDATA = {".nc": "NETCDF", ".nc4": "NETCDF", ".h5": "HDF5", ".hdf5": "HDF5", ".he5": "HDF5"}
RASTERS = {".tif", ".tiff", ".img", ".jp2", ".nc", ".vrt", ".dat"}
_DATE = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_]?(0[1-9]|1[0-2])[-_]?(0[1-9]|[12]\d|3[01])(?:[T_]?(\d\d)(\d\d)(\d\d))?(?!\d)"
)


def open_source(name: str | Path, *, band: int | str | None = None, nodata: float | None = None) -> Source:
    """An image by its name; of several bands the one that `band` (from 1, or its name in the file) chooses.

    `nodata` marks pixels besides the file's own. Names: a file; a URL (https://, s3://, gs://) or any other name that
    GDAL knows (/vsizip/..., NETCDF:"x.nc":vv); a .zip with one raster; FILE.nc:VARIABLE or FILE.h5:/path/of/dataset.
    Errors: InputError for what is missing, unreadable, complex, a colored palette, or has several different bands
    while none was chosen.
    """
    name = str(name)
    path = Path(name)
    suffix = path.suffix.lower()
    if path.is_file() and suffix == ".npy":
        source: Source = NumpySource(name, name, nodata=nodata)
    elif path.is_file() and suffix in pictures.SUFFIXES:
        source = pictures.open_picture(path, band, nodata)
    else:
        source = open_raster(_gdal_name(name), name, band, nodata)
    source.date = date_in(source.date or "") or date_in(Path(name).name)
    return source


def on_grid_of(before: Source, after: Source, shift: tuple[float, float] = (0.0, 0.0)) -> Source:
    """`after` on the grid of `before`, read through a warp where it lies on another; `shift`: (rows, columns) by
    which it lies off as it is, pixels of that grid."""
    if before.georeference is None or before.georeference.crs is None or not isinstance(after, GdalSource):
        raise InputError(
            f"--align needs two images with coordinate systems; {before.name} and {after.name} do not both have one. "
            "Crop or resample the second image to the first."
        )
    place = before.georeference.moved(*shift)
    if after.georeference is None or after.georeference.crs is None:
        raise InputError(f"--align needs the location of {after.name}, which has no coordinate system.")
    warped = after.on(Grid(before.georeference.crs, place.transform, before.height, before.width))
    return replace(warped, georeference=before.georeference)


def date_in(text: str) -> str | None:
    """The first date in a text as ISO 8601 (Sentinel-1 names, 20240131, 2024-01-31T10:15:00, 2024:01:31)."""
    found = _DATE.search(re.sub(r"(?<=\d):(?=\d)", "", text.replace(": ", " ")).replace(" ", "T"))
    if not found:
        return None
    year, month, day, *time = found.groups()
    date = f"{year}-{month}-{day}"
    return date if time[0] is None else f"{date}T{time[0]}:{time[1]}:{time[2]}Z"


def _gdal_name(name: str) -> str:
    path = Path(name)
    if path.suffix.lower() == ".zip" and path.is_file():
        return _only_raster(path)
    if path.is_file() or name.startswith("/vsi"):
        return name
    file, _, variable = name.rpartition(":")
    driver = SUBDATA.get(Path(file).suffix.lower())
    if driver and Path(file).is_file():
        return f'NETCDF:"{file}":{variable}' if driver == "NETCDF" else f'HDF5:"{file}":/{"/" + variable.lstrip("/")}'
    if ":" in name:
        return name
    raise InputError(f"an image must be a file (or a URL, or a name that GDAL accepts); there is none at {name}.")


def _only_raster(path: Path) -> str:
    try:
        with ZipFile(path) as archive:
            found = [member for member in archive.namelist() if Path(member).suffix.lower() in RASTERS]
    except BadZipFile as error:
        raise InputError(f"{path} cannot be read as an archive: {error}.") from error
    if len(found) != 1:
        listed = ", ".join(found) or "none"
        raise InputError(
            f"a .zip must contain one raster; {path} contains {listed}. Name one as /vsizip/{path}/MEMBER."
        )
    return f"/vsizip/{path}/{found[0]}"
