"""CaReBench: describe a video's objects and actions in detail. A list of entries with a video and a caption.

Written from the public description: names in use for a field are tried in turn. Lists of events ("actions") and objects
are taken where an entry has them; where not, the judge reads them from the reference caption.
"""

from collections.abc import Iterator
from typing import Any

from reeltune.data.formats import Annotations, Benchmark, Row, read_records
from reeltune.errors import InputError
from reeltune.tasks.captioning import TASK

NAMES = {
    "video": ("video", "video_id", "video_name", "id"),
    "caption": ("caption", "general_caption", "description"),
    "events": ("events", "actions", "action_list"),
    "objects": ("objects", "object_list"),
}


def read(annotations: Annotations) -> Iterator[Row]:
    path = annotations.file
    for number, entry in enumerate(read_records(path), start=1):
        found = {name: _first(entry, names) for name, names in NAMES.items()}
        for name in ("video", "caption"):
            if not found[name]:
                raise InputError(
                    f"{path}, entry {number}: no field for the {name}; tried {', '.join(NAMES[name])}, the entry has "
                    f"{', '.join(map(str, entry)) or 'none'}. Is this the right format?"
                )
        for name in ("events", "objects"):
            if found[name] is None:
                annotations.counts[f"entries without a list of {name}: the judge reads them from the caption"] += 1
        video = str(found["video"])
        yield {
            "id": f"carebench-{video.rpartition('.')[0] or video}",
            "task": TASK.name,
            "video": video,
            "instruction": "Describe the video in detail: every object and person, and every action.",
            "source": "carebench",
            **{name: found[name] for name in ("caption", "events", "objects")},
        }


def _first(entry: Row, names: tuple[str, ...]) -> Any:
    return next((entry[name] for name in names if entry.get(name) is not None), None)


BENCHMARK = Benchmark(
    task=TASK.name,
    source="CaReBench, Xu et al. 2025, arXiv 2501.00513, https://huggingface.co/datasets/MCG-NJU/CaReBench",
    splits="one test set: 1,000 videos",
    metric="CapST: F1 of actions and of objects by a judge (`score --judge`)",
    license="research; videos under their sources' terms",
    defects="none known",
    read=read,
    seen=False,
)
