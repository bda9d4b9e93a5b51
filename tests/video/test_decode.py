"""The frames that are asked for, upright, from every kind of file, and no more work than they need."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reeltune.errors import VideoError
from reeltune.video import decode
from reeltune.video.decode import decode_frames, orient
from reeltune.video.encode import write_video
from reeltune.video.index import index_video

Read = Callable[[np.ndarray], int]
Encode = Callable[..., Path]
Numbered = Callable[..., np.ndarray]


def _numbers(path: Path, wanted: list[int], number_of: Read) -> list[int]:
    frames, _ = decode_frames(index_video(path), wanted, np.copy)
    return [number_of(frame) for frame in frames]


@pytest.mark.parametrize("wanted", [[0], [239], [47, 48, 49], [5, 100, 101, 230], [200, 3, 3, 90]])
def test_the_wanted_frames_in_the_wanted_order(numbered_video: Path, number_of: Read, wanted: list[int]) -> None:
    frames, times = decode_frames(index_video(numbered_video), wanted, np.copy)
    assert [number_of(frame) for frame in frames] == wanted
    np.testing.assert_allclose(times, np.array(wanted) / 30, atol=1e-9)


def test_every_single_frame(numbered_video: Path, number_of: Read) -> None:
    assert _numbers(numbered_video, list(range(240)), number_of) == list(range(240))


FORMATS = [
    ("vp8.webm", "libvpx", "yuv420p", {"auto-alt-ref": "1", "lag-in-frames": "16"}),
    ("vp9.webm", "libvpx-vp9", "yuv420p", {"auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "8"}),
    ("open.mp4", "libx264", "yuv420p", {"x264-params": "keyint=24:open-gop=1:bframes=3"}),
    ("refresh.mp4", "libx264", "yuv420p", {"x264-params": "keyint=24:intra-refresh=1"}),
    ("decoding-order.avi", "libx264", "yuv420p", {}),
    ("mpeg4.avi", "mpeg4", "yuv420p", {}),
    ("mpeg2.ts", "mpeg2video", "yuv420p", {}),
    ("ten-bit.mp4", "libx264", "yuv420p10le", {}),
    ("full-range.avi", "mjpeg", "yuvj420p", {}),
    ("flat.avi", "mjpeg", "yuvj420p", {"threads": "1", "huffman": "optimal"}),  # 70 bytes of zeros in a row
    ("gray.mkv", "ffv1", "gray", {}),
    ("alpha.mov", "qtrle", "argb", {}),
    ("alpha-yuv.mov", "prores_ks", "yuva444p10le", {}),
    ("palette.gif", "gif", "rgb8", {}),
]


@pytest.mark.parametrize(("name", "codec", "pixels", "options"), FORMATS)
def test_formats(
    tmp_path: Path, numbered: Numbered, number_of: Read, encode: Encode, name: str, codec: str, pixels: str,
    options: dict[str, str],
) -> None:  # fmt: skip
    path = encode(tmp_path / name, numbered(60), codec, pixels, options=options)
    assert _numbers(path, list(range(60)), number_of) == list(range(60))
    for wanted in ([1], [23], [25], [35], [58], [8, 35, 39]):
        assert _numbers(path, wanted, number_of) == wanted


def test_raw_stream(tmp_path: Path, numbered: Numbered, number_of: Read, encode: Encode) -> None:
    rated = {"x264-params": "force-cfr=1"}
    path = encode(tmp_path / "a.h264", numbered(60), container="h264", options=rated)
    assert _numbers(path, [0, 31, 59], number_of) == [0, 31, 59]


def test_stream_that_starts_between_keyframes(
    numbered_video: Path, number_of: Read, remux: Callable[..., Path]
) -> None:
    """As recorded from the air: frames before the first keyframe cannot be decoded and do not count."""
    whole = remux(numbered_video, numbered_video.with_name("whole.ts"), "mpegts").read_bytes()
    cut = numbered_video.with_name("cut.ts")
    cut.write_bytes(whole[len(whole) // 3 // 188 * 188 :])
    numbers = _numbers(cut, list(range(len(index_video(cut).times))), number_of)
    assert numbers == list(range(numbers[0], 240))
    assert numbers[0] == min(number for number in index_video(numbered_video).keyframes if number >= 80)


def test_variable_rate_reports_true_times(tmp_path: Path, numbered: Numbered, number_of: Read) -> None:
    stamps = [0.0, 0.1, 0.9, 1.0, 4.0, 4.04, 8.5]
    write_video(tmp_path / "v.mp4", numbered(7), timestamps=stamps)
    frames, times = decode_frames(index_video(tmp_path / "v.mp4"), [0, 2, 4, 6], np.copy)
    assert [number_of(frame) for frame in frames] == [0, 2, 4, 6]
    np.testing.assert_allclose(times, [0.0, 0.9, 4.0, 8.5], atol=1e-5)


def test_groups_without_wanted_frames_are_not_decoded(
    numbered_video: Path, number_of: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    plain = decode._decode

    def counting(index: object, codec: object, packet: object) -> object:
        decoded.append(packet is not None)
        return plain(index, codec, packet)  # type: ignore[arg-type]

    monkeypatch.setattr(decode, "_decode", counting)
    assert _numbers(numbered_video, [50, 193], number_of) == [50, 193]
    assert sum(decoded) <= 12


def test_only_kept_frames_are_held(tmp_path: Path, numbered: Numbered) -> None:
    write_video(tmp_path / "large.mp4", numbered(40, 720, 1280), 10)
    index = index_video(tmp_path / "large.mp4")
    tracemalloc.start()
    decode_frames(index, list(range(40)), lambda frame: frame[:8, :8].copy())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 720 * 1280 * 3


def test_damage_is_an_error_where_it_is_needed_only(numbered_video: Path, number_of: Read) -> None:
    """A video damaged in one group of pictures fails for frames after the damage, and for no others."""
    index = index_video(numbered_video)
    assert index.packets is not None
    start, end = index.keyframes[1:3]
    with av.open(str(numbered_video)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        place, size = packets[start + 1].pos, packets[start + 1].size
    blob = bytearray(numbered_video.read_bytes())
    blob[place : place + size] = bytes(255 - byte for byte in blob[place : place + size])
    numbered_video.write_bytes(blob)
    last_of_group = list(index.packets).index(end - 1)
    with pytest.raises(VideoError, match=r"numbered\.mp4: damaged"):
        _numbers(numbered_video, [0, last_of_group], number_of)
    assert _numbers(numbered_video, [0, start - 1, end, 239], number_of) == [0, start - 1, end, 239]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_give_frames_or_a_video_error(numbered_video: Path, data: st.DataObject) -> None:
    blob = bytearray(numbered_video.read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        blob[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    broken = numbered_video.with_name("broken.mp4")
    broken.write_bytes(blob[: data.draw(st.integers(1, len(blob)))])
    try:
        index = index_video(broken)
        frames, times = decode_frames(index, [0, len(index.times) - 1], np.copy)
    except VideoError as error:
        assert "broken.mp4" in str(error)
    else:
        assert len(frames) == len(times) == 2 and np.isfinite(times).all()


def _set_matrix(path: Path, matrix: list[int]) -> None:
    """Overwrite the display matrix in the track header of an MP4 (ISO/IEC 14496-12, 8.3.2)."""
    blob = bytearray(path.read_bytes())
    start = blob.index(b"tkhd") + 4 + 40
    values = [value << 16 for value in matrix[:2]] + [0] + [value << 16 for value in matrix[2:]] + [0, 0, 0, 1 << 30]
    blob[start : start + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in values)
    path.write_bytes(blob)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([1, 0, 0, 1], lambda image: image),
        ([0, 1, -1, 0], lambda image: np.rot90(image, -1)),  # a phone held upright: clockwise
        ([-1, 0, 0, -1], lambda image: np.rot90(image, 2)),
        ([0, -1, 1, 0], lambda image: np.rot90(image, 1)),
        ([-1, 0, 0, 1], lambda image: image[:, ::-1]),
        ([1, 0, 0, -1], lambda image: image[::-1]),
        ([0, 1, 1, 0], lambda image: image.transpose(1, 0, 2)),
    ],
)
def test_rotation(
    tmp_path: Path, numbered: Numbered, matrix: list[int], expected: Callable[[np.ndarray], np.ndarray]
) -> None:
    path = tmp_path / "turned.mp4"
    write_video(path, numbered(4), 2)
    plain, _ = decode_frames(index_video(path), [3], np.copy)
    _set_matrix(path, matrix)
    with av.open(str(path)) as container:
        rotation = next(container.decode(video=0)).rotation
    turned, _ = decode_frames(index_video(path), [3], np.copy)
    np.testing.assert_array_equal(turned[0], expected(plain[0]))
    if np.linalg.det(np.reshape(matrix, (2, 2))) > 0:  # FFmpeg's own angle, where no mirror is in it
        np.testing.assert_array_equal(turned[0], np.rot90(plain[0], rotation // 90))


def test_orient_rounds_to_quarter_turns() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    slightly = np.array([[65536, 900], [-900, 65536]])
    np.testing.assert_array_equal(orient(image, slightly), image)
