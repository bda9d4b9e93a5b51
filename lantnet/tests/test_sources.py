"""Every kind of file that users have: read rightly, or refused with what to do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.enums import ColorInterp

from lantnet import InputError
from lantnet.scene.names import open_source
from lantnet.scene.windows import Window

GRAY = np.random.default_rng(1).integers(0, 256, (20, 30)).astype(np.uint8)


def read(path: Path, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    source = open_source(path, **options)
    return source.read(Window(0, 0, source.height, source.width))


def tiff(path: Path, bands: list[np.ndarray], **profile: Any) -> Path:
    height, width = bands[0].shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=len(bands), dtype=bands[0].dtype, **profile
    ) as dataset:
        dataset.write(np.stack(bands))
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "npy"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_gray_images_in_every_format(tmp_path: Path, suffix: str, mode: str) -> None:
    path = tmp_path / f"x.{suffix}"
    if suffix == "npy":
        np.save(path, GRAY)
    else:
        Image.fromarray(GRAY).convert(mode).save(path)
    values, valid = read(path)
    np.testing.assert_array_equal(values, GRAY)
    assert values.dtype == np.float32
    assert valid.all()


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_palette_indices_become_gray_levels(tmp_path: Path, suffix: str) -> None:
    """A palette that runs backwards: reading indices as brightness would turn the image inside out."""
    image = Image.fromarray(GRAY)
    image = Image.frombytes("P", image.size, (255 - GRAY).tobytes())
    image.putpalette([255 - level // 3 for level in range(768)])
    image.save(tmp_path / f"x.{suffix}")
    np.testing.assert_array_equal(read(tmp_path / f"x.{suffix}")[0], GRAY)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_colored_palettes_are_refused(tmp_path: Path, suffix: str) -> None:
    image = Image.frombytes("P", (30, 20), GRAY.tobytes())
    image.putpalette([(level * 7) % 256 for level in range(768)])
    image.save(tmp_path / f"x.{suffix}")
    with pytest.raises(InputError, match="colors"):
        read(tmp_path / f"x.{suffix}")


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_is_kept_whole(tmp_path: Path, suffix: str) -> None:
    wide = GRAY.astype(np.uint16) * 200
    Image.fromarray(wide).save(tmp_path / f"x.{suffix}")
    source = open_source(tmp_path / f"x.{suffix}")
    assert source.dtype == "uint16"
    np.testing.assert_array_equal(source.read(Window(0, 0, 20, 30))[0], wide)


def test_bilevel_images(tmp_path: Path) -> None:
    Image.fromarray(GRAY > 127).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read(tmp_path / "x.png")[0], 255.0 * (GRAY > 127))


def test_transparent_pixels_hold_no_data(tmp_path: Path) -> None:
    image = Image.fromarray(GRAY).convert("LA")
    alpha = np.full(GRAY.shape, 255, np.uint8)
    alpha[:5] = 0
    image.putalpha(Image.fromarray(alpha))
    image.save(tmp_path / "x.png")
    values, valid = read(tmp_path / "x.png")
    assert (valid == (alpha > 0)).all()
    np.testing.assert_array_equal(values[5:], GRAY[5:])


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_differing_bands_need_a_choice(tmp_path: Path, suffix: str) -> None:
    bands = [GRAY, 255 - GRAY, GRAY // 2]
    path = tmp_path / f"x.{suffix}"
    if suffix == "png":
        Image.fromarray(np.stack(bands, axis=-1)).save(path)
    else:
        tiff(path, bands)
    with pytest.raises(InputError, match=r"3 bands that differ.*--band 1..3"):
        read(path)
    np.testing.assert_array_equal(read(path, band=2)[0], 255 - GRAY)
    with pytest.raises(InputError, match="band 4 was requested"):
        read(path, band=4)


def test_nodata_of_the_file_of_the_user_and_nan(tmp_path: Path) -> None:
    values = GRAY.astype(np.float32)
    values[0, 0], values[0, 1], values[0, 2] = -9999, np.nan, 77.5
    path = tiff(tmp_path / "x.tif", [values], nodata=-9999)
    valid = read(path, nodata=77.5)[1]
    assert valid[0, :4].tolist() == [False, False, False, True]
    assert valid.sum() == values.size - 3


def test_an_alpha_band_is_no_image_band(tmp_path: Path) -> None:
    alpha = np.where(GRAY > 20, 255, 0).astype(np.uint8)
    path = tmp_path / "x.tif"
    with rasterio.open(path, "w", driver="GTiff", height=20, width=30, count=2, dtype="uint8") as dataset:
        dataset.colorinterp = [ColorInterp.gray, ColorInterp.alpha]
        dataset.write(np.stack([GRAY, alpha]))
    values, valid = read(path)
    np.testing.assert_array_equal(values, GRAY)
    assert (valid == (GRAY > 20)).all()


@pytest.mark.parametrize("shape", [(1, 20, 30), (20, 30, 1)])
def test_numpy_with_one_band_too_many_axes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "x.npy", GRAY.reshape(shape))
    np.testing.assert_array_equal(read(tmp_path / "x.npy")[0], GRAY)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 20, 30)), "shape"),
        (np.zeros(5), "shape"),
        (np.zeros((0, 4)), "shape"),
        (np.zeros((4, 4), complex), "abs"),
        (np.zeros((4, 4), "U3"), "numbers"),
    ],
)
def test_numpy_that_is_no_image(tmp_path: Path, array: np.ndarray, words: str) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(InputError, match=words):
        read(tmp_path / "x.npy")


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"\.npy"):
        read(tmp_path / "x.npy")


def test_complex_rasters_are_refused(tmp_path: Path) -> None:
    path = tiff(tmp_path / "x.tif", [GRAY.astype(np.complex64)])
    with pytest.raises(InputError, match="amplitude"):
        read(path)


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.npy", "x.xyz"])
def test_broken_and_missing_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="there is none"):
        read(tmp_path / name)
    (tmp_path / name).write_bytes(b"this is no image")
    with pytest.raises(InputError, match=name):
        read(tmp_path / name)
    with pytest.raises(InputError, match="must be a file"):
        read(tmp_path)


def test_animations_are_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(GRAY), Image.fromarray(255 - GRAY)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="contains 2"):
        read(tmp_path / "x.gif")
