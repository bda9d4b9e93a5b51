"""What the readers of grounding files share: {video: {duration, timestamps: [[s, e]], sentences: [...]}}."""

from collections.abc import Iterator

from reeltune.data.formats import Annotations, Row, field_of, read_json
from reeltune.errors import InputError


def video_rows(
    annotations: Annotations, *, source: str, spans: str = "timestamps", sentences: str = "sentences"
) -> Iterator[Row]:
    """One row per sentence, ids VIDEO_INDEX with the index in the video's own list."""
    path = annotations.file
    videos = read_json(path)
    if not isinstance(videos, dict):
        raise InputError(
            f"{path}: expected an object of videos, got {type(videos).__name__}; is this the right format?"
        )
    for number, (video, entry) in enumerate(videos.items(), start=1):
        if not isinstance(entry, dict):
            raise InputError(f"{path}, video {video}: expected an object, got {type(entry).__name__}")
        times = field_of(entry, spans, path, number)
        queries = field_of(entry, sentences, path, number)
        duration = field_of(entry, "duration", path, number)
        if len(times) != len(queries):
            raise InputError(f"{path}, video {video}: {len(times)} {spans} for {len(queries)} {sentences}")
        for index, (span, sentence) in enumerate(zip(times, queries, strict=True)):
            yield {
                "id": f"{video}_{index}",
                "task": "temporal_grounding",
                "video": video,
                "query": sentence,
                "duration": duration,
                "target": [span],
                "source": source,
            }


def video_duration(annotations: Annotations, video: str) -> float | None:
    """The length of a video that is there, from its packets; None when it is not."""
    path = annotations.find_video(video)
    if path is None:
        return None
    from reeltune.video.index import index_video

    return index_video(path).end
