"""TimeLens-Bench: Charades-STA, ActivityNet and QVHighlights annotated anew, with one span a query.

{video: {duration, spans: [[s, e], ...], queries: [...]}}, one file a set; its name becomes `source`. Scores on the
first annotations are another column: import those with their own formats.
"""

from collections.abc import Iterator

from reeltune.data.formats import Annotations, Benchmark, Row
from reeltune.data.formats._grounding import video_rows


def read(annotations: Annotations) -> Iterator[Row]:
    source = f"timelens-{annotations.file.stem}"
    yield from video_rows(annotations, source=source, spans="spans", sentences="queries")


BENCHMARK = Benchmark(
    task="temporal_grounding",
    source="TimeLens, https://github.com/TencentARC/TimeLens",
    splits="Charades-TimeLens, ActivityNet-TimeLens, QVHighlights-TimeLens",
    metric="mIoU, R@{.3,.5,.7}",
    license="see the repository; the videos' own terms",
    defects="none known",
    read=read,
    seen=False,
)
