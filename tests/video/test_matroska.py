"""Check sums of clusters: a flipped bit that decodes to other pixels is told, healthy files are not refused."""

import random
from pathlib import Path

import av
import numpy as np
import pytest

from reeltune.errors import VideoError
from reeltune.video.index import index_video
from reeltune.video.matroska import CHECK_SUM, refuse_wrong_sums

CLUSTER = b"\x1f\x43\xb6\x75"
UNKNOWN = b"\x01" + b"\xff" * 7


def write(path: Path, codec: str = "libx264", **options: str) -> bytes:
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", container_options=options) as container:
        stream = container.add_stream(codec, rate=4)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 4
        for _ in range(16):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rng.integers(0, 256, (64, 64, 3), np.uint8))))
        container.mux(stream.encode(None))
    return path.read_bytes()


def test_every_flipped_bit_of_a_cluster_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    whole = write(path)
    assert len(index_video(path).times) == 16 and whole.count(CHECK_SUM) > 4
    clusters = [at for at in range(len(whole)) if whole.startswith(CLUSTER, at)]
    assert len(clusters) == 5
    rng = random.Random(0)
    for _ in range(60):
        damaged = bytearray(whole)
        at = rng.randrange(clusters[0] + 20, clusters[-1])
        if any(place <= at < place + 20 for place in clusters):
            continue
        damaged[at] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(VideoError, match=r"damaged: cluster \d, bytes \d+ to \d+, is not what its check sum says"):
            refuse_wrong_sums(path, "Fix it")
    with pytest.raises(VideoError, match="check sum"):
        index_video(path)


def test_files_without_sums_and_of_unknown_sizes_are_read(tmp_path: Path) -> None:
    webm, bare, live = tmp_path / "a.webm", tmp_path / "bare.mkv", tmp_path / "live.mkv"
    write(webm, "libvpx")
    assert CHECK_SUM in write(tmp_path / "sums.mkv") and CHECK_SUM not in write(bare, write_crc32="0")[:1000]
    assert b"\x18\x53\x80\x67" + UNKNOWN in write(live, live="1") and CHECK_SUM in live.read_bytes()
    for path in (webm, bare, live):
        refuse_wrong_sums(path, "Fix it")
        assert len(index_video(path).times) == 16


def test_what_is_no_matroska_ends_the_look(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    whole = write(path)
    endless = CLUSTER + UNKNOWN + CHECK_SUM + b"wrong"
    for data in (
        endless,
        b"",
        b"\0" * 40,
        whole[:7],
        whole[: len(whole) // 2],
        b"\x1f\x43\xb6\x75\x86" + b"\xbf\x84\0\0",
    ):
        path.write_bytes(data)
        refuse_wrong_sums(path, "Fix it")
