"""ActivityNet Captions: find the span of a sentence in a web video.

The JSON {video: {duration, timestamps, sentences}} of the data set, with or without further keys.
"""

from collections.abc import Iterator

from reeltune.data.formats import Annotations, Benchmark, Row
from reeltune.data.formats._grounding import video_rows


def read(annotations: Annotations) -> Iterator[Row]:
    yield from video_rows(annotations, source="activitynet-captions")


BENCHMARK = Benchmark(
    task="temporal_grounding",
    source="Krishna et al. 2017, arXiv 1705.00754, https://cs.stanford.edu/people/ranjaykrishna/densevid/",
    splits="train 10,009 videos; val_1 4,917 and val_2 4,885 videos; published tests use val_2: 17,031 sentences",
    metric="mIoU and R@0.3/0.5/0.7",
    license="annotations for research; the videos are YouTube's",
    defects="train: 2 reversed and 2 empty spans; a few spans end hundredths of a second after the video",
    read=read,
)
