"""Two polarizations of the same dates: what changed in either changed, in the direction of the surer one."""

import numpy as np
import pytest
import xarray

import lantnet
from lantnet import InputError
from lantnet.detection import Options, Progress, detect_sources
from lantnet.results.maps import BRIGHTER, DARKER, NO_DATA, MemoryMaps
from lantnet.scene.source import ArraySource

pytestmark = pytest.mark.usefixtures("quick_default")
SIDE = 96


def pair(name: str, where: tuple[slice, slice], factor: float, seed: int) -> tuple[ArraySource, ArraySource]:
    rng = np.random.default_rng(seed)
    before, after = (0.1 * rng.gamma(6, 1 / 6, (2, SIDE, SIDE))).astype(np.float32)
    after[where] *= factor
    return tuple(ArraySource(values, f"{name} {date}", channel=name) for values, date in ((before, 1), (after, 2)))


def test_a_change_in_either_polarization_counts() -> None:
    first, second = np.s_[10:40, 10:40], np.s_[55:85, 55:85]
    vv, vh = pair("VV", first, 8, 1), pair("VH", second, 1 / 8, 2)
    vv[1].values[:, 90:] = np.nan  # only VH holds data there
    maps = MemoryMaps(SIDE, SIDE)
    outcome = detect_sources([vv, vh], maps, Options(scale=None), Progress(False))
    inner_first, inner_second = np.s_[14:36, 14:36], np.s_[59:81, 59:81]
    assert (maps.directions[inner_first] == BRIGHTER).mean() > 0.95
    assert (maps.directions[inner_second] == DARKER).mean() > 0.95
    assert (maps.directions[45:52, :40] == 0).mean() > 0.95
    assert (maps.directions[:, 92:] != NO_DATA).all()
    assert outcome.counts["no_data"] == 0
    assert list(outcome.record) == ["VV", "VH"]
    for record in outcome.record.values():
        assert record["pre_labels"]["changed"] > 100
    alone = MemoryMaps(SIDE, SIDE)
    detect_sources([vv], alone, Options(), Progress(False))
    assert not (alone.directions[inner_second] == DARKER).any()
    assert (alone.directions[:, 92:] == NO_DATA).all()


def test_arrays_and_dataarrays_of_two_polarizations_in_python() -> None:
    """What the command does with --also: the same map, each polarization by its name or number in the report."""
    first, second = np.s_[10:40, 10:40], np.s_[55:85, 55:85]
    sources = [pair("VV", first, 8, 1), pair("VH", second, 1 / 8, 2)]
    maps = MemoryMaps(SIDE, SIDE)
    detect_sources(sources, maps, Options(), Progress(False))
    vv, vh = ([source.values for source in both] for both in sources)
    result = lantnet.detect(*vv, also=[vh])
    assert (result.direction == maps.directions).all()
    assert (result.direction[20:30, 20:30] == BRIGHTER).all() and (result.direction[65:75, 65:75] == DARKER).all()
    assert list(result.report["learning"]) == ["before", "before 2"]
    labeled = [
        [xarray.DataArray(values, dims=("y", "x"), name=name) for values in both]
        for name, both in (("VV", vv), ("VH", vh))
    ]
    same = lantnet.detect(*labeled[0], also=[labeled[1]])
    assert (same.direction == result.direction).all()
    assert list(same.report["learning"]) == ["VV", "VH"]
    with pytest.raises(InputError, match="same size"):
        lantnet.detect(*vv, also=[(vh[0][:90], vh[1][:90])])


def test_polarizations_of_one_name_are_numbered_in_the_report() -> None:
    flat = [xarray.DataArray(np.full((32, 32), 90, np.uint8), dims=("y", "x"), name="VV") for _ in range(2)]
    assert list(lantnet.detect(*flat, also=[flat]).report["learning"]) == ["1: VV", "2: VV"]


def test_polarizations_lie_on_one_grid() -> None:
    vv, vh = pair("VV", np.s_[10:40, 10:40], 8, 1), pair("VH", np.s_[10:40, 10:40], 8, 2)
    cut = tuple(ArraySource(source.values[:90], source.name) for source in vh)
    with pytest.raises(InputError, match="same size"):
        detect_sources([vv, (cut[0], cut[1])], MemoryMaps(SIDE, SIDE), Options(), Progress(False))
