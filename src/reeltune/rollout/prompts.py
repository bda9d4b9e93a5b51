"""Which samples a model can be asked: those whose prompt is within its length.

`check_length` guards every prompt that is read; `PromptCheck` asks the same of whole files before anything is trained,
from the model's tokenizer and config alone.
"""

from pathlib import Path

from reeltune.config.recipe import VideoConfig
from reeltune.errors import InputError, SampleError
from reeltune.models.chat import max_positions, prompt_ids, render_prompt
from reeltune.models.families import open_family
from reeltune.models.loading import open_tokenizer
from reeltune.rollout.media import BlankMedia
from reeltune.sample import Sample
from reeltune.tasks import get_task
from reeltune.tasks.base import Mode


def check_length(sample: Sample, length: int, limit: int | None) -> None:
    """Raise SampleError where a prompt of `length` tokens leaves no room for an answer within `limit` positions."""
    if limit is not None and length >= limit:
        raise SampleError(
            f"id {sample.id!r}: its prompt has {length} tokens, but the model supports {limit} including the "
            "completion (max_position_embeddings); shorten the text, or lower video.max_frames or "
            "video.total_pixels"
        )


class PromptCheck:
    """Counts the tokens of samples' prompts by a model's tokenizer and pixel rules; no weights, no decoding.

    Raises InputError when `model` is not a directory of a supported family.
    """

    def __init__(self, model: Path, video: VideoConfig, *, mode: Mode, system: str | None = None) -> None:
        if not (model / "config.json").is_file():
            raise InputError(f"--model must be a Hugging Face model directory with a config.json; got {str(model)!r}")
        config, self.family = open_family(model)
        self.tokenizer = open_tokenizer(model)
        self.limit = max_positions(config)
        self.mode: Mode = mode
        self.system = system
        self.media = BlankMedia(video, self.family)

    def length(self, sample: Sample) -> int:
        """Tokens of its prompt, vision tokens included; SampleError where the model cannot be asked."""
        messages = self.media.messages(sample, get_task(sample.task).prompt(sample, self.mode), self.system)
        length = len(prompt_ids(self.tokenizer, self.family, render_prompt(self.tokenizer, self.family, messages)))
        check_length(sample, length, self.limit)
        return length
