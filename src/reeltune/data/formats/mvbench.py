"""MVBench: 20 kinds of multiple-choice questions about time.

The data set's json folder (one file a kind, whose name becomes `meta.type`), or one file of it: a list of
{video, question, candidates, answer (a candidate's text)}, some with start and end in seconds. Those ask about a
part of the video, and that part is what their samples show.

32 names of videos stand in two folders of the data set, so that a name alone asks 71 questions of the wrong clip: the
kind of question says the folder. With another layout, a name that fits several files is refused.
"""

from collections.abc import Iterator
from pathlib import Path

from reeltune.data.formats import Annotations, Benchmark, Row, field_of, read_records
from reeltune.data.formats._choices import letter_of
from reeltune.errors import InputError

FOLDERS = {
    "action_antonym": "ssv2_video",
    "action_count": "perception/videos",
    "action_localization": "sta/sta_video",
    "action_prediction": "star/Charades_v1_480",
    "action_sequence": "star/Charades_v1_480",
    "character_order": "perception/videos",
    "counterfactual_inference": "clevrer/video_validation",
    "egocentric_navigation": "vlnqa",
    "episodic_reasoning": "tvqa/frames_fps3_hq",
    "fine_grained_action": "Moments_in_Time_Raw/videos",
    "fine_grained_pose": "nturgbd",
    "moving_attribute": "clevrer/video_validation",
    "moving_count": "clevrer/video_validation",
    "moving_direction": "clevrer/video_validation",
    "object_existence": "clevrer/video_validation",
    "object_interaction": "star/Charades_v1_480",
    "object_shuffle": "perception/videos",
    "scene_transition": "scene_qa/video",
    "state_change": "perception/videos",
    "unexpected_action": "FunQA_test/test",
}
"""Kind of question -> where its videos stand below the data set's video folder."""
FRAMES_PER_SECOND = {"episodic_reasoning": 3}
"""Kinds whose videos are folders of frames: the rate at which the data set's own evaluation reads them (`read_frame` in
video_chat2/mvbench.ipynb of https://github.com/OpenGVLab/Ask-Anything, commit 4dd8210b); the folder is named for it."""


def read(annotations: Annotations) -> Iterator[Row]:
    for path in _files(annotations):
        for number, entry in enumerate(read_records(path), start=1):
            options = [str(option) for option in field_of(entry, "candidates", path, number)]
            yield {
                "id": f"{path.stem}_{number - 1}",
                "task": "multiple_choice",
                **_shown(entry, path.stem, str(field_of(entry, "video", path, number))),
                "question": str(field_of(entry, "question", path, number)),
                "options": options,
                "target": letter_of(str(field_of(entry, "answer", path, number)), options),
                "source": "mvbench",
                "meta": {"type": path.stem},
            }


def _shown(entry: Row, kind: str, name: str) -> Row:
    """The whole video, or the part that is asked about, of a file or of a folder of frames."""
    video = f"{FOLDERS[kind]}/{name}" if kind in FOLDERS else name
    part = {key: entry[key] for key in ("start", "end") if entry.get(key) is not None}
    if rate := FRAMES_PER_SECOND.get(kind):
        return {"media": [{"frames": f"{video.rstrip('/')}/", "fps": rate, **part}]}
    return {"media": [{"video": video, **part}]} if part else {"video": video}


def _files(annotations: Annotations) -> list[Path]:
    files = [
        found for path in annotations.files for found in (sorted(path.glob("*.json")) if path.is_dir() else [path])
    ]
    if not files:
        raise InputError(f"{annotations.files[0]}: no .json file in it; give MVBench's json folder")
    return files


BENCHMARK = Benchmark(
    task="multiple_choice",
    source="Li et al. 2024, arXiv 2311.17005, https://huggingface.co/datasets/OpenGVLab/MVBench",
    splits="test: 20 kinds with 200 questions each",
    metric="accuracy, by kind and over kinds (the published figure is the mean over kinds)",
    license="MIT for annotations; the videos are those of 11 data sets",
    defects="some kinds ask about a part of a video; some repeat an option",
    read=read,
    seen=False,
)
