"""Which samples a model can be asked: no special token in their text, and a prompt within its length.

`check_text` and `check_length` guard every prompt that is read; `PromptCheck` asks the same of whole files before
anything is trained, from the model's tokenizer and config alone.
"""

from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from reeltune.config.recipe import VideoConfig
from reeltune.data.special_tokens import special_tokens_in
from reeltune.errors import InputError, SampleError
from reeltune.models.chat import max_positions, prompt_ids, render_prompt
from reeltune.models.families import make_family
from reeltune.models.families.base import Family
from reeltune.sample import Sample
from reeltune.tasks import get_task
from reeltune.tasks.base import Mode
from reeltune.video.clip import Clip
from reeltune.video.load import blank_clip
from reeltune.video.sampling import FrameSampling, PixelBudget


def special_tokens(tokenizer: Any, family: Family) -> frozenset[str]:
    """The tokens that never come from plain text: the tokenizer's special ones, and the family's placeholder."""
    added = tokenizer.added_tokens_decoder.values()
    return frozenset({token.content for token in added if token.special} | {family.placeholder})


def check_text(sample: Sample, text: str, tokens: frozenset[str]) -> None:
    """Raise SampleError where `text`, what the task asks about the sample, holds one of the special `tokens`."""
    if found := special_tokens_in(text, tokens):
        raise SampleError(
            f"id {sample.id!r}: its text holds {', '.join(found)}, which the model's tokenizer reads as a special "
            "token, not as text; take it out of the sample"
        )


def check_length(sample: Sample, length: int, limit: int | None) -> None:
    """Raise SampleError where a prompt of `length` tokens leaves no room for an answer within `limit` positions."""
    if limit is not None and length >= limit:
        raise SampleError(
            f"id {sample.id!r}: its prompt has {length} tokens, the model takes {limit} with the answer "
            "(max_position_embeddings); shorten the text, or lower video.max_frames or video.total_pixels"
        )


def frame_sampling(video: VideoConfig, family: Family) -> FrameSampling:
    return FrameSampling(
        fps=video.fps,
        min_frames=video.min_frames,
        max_frames=video.max_frames,
        frame_multiple=family.temporal_patch,
        by=video.sampling,
    )


def pixel_budget(video: VideoConfig) -> PixelBudget:
    return PixelBudget(
        total=video.total_pixels, min_per_frame=video.min_frame_pixels, max_per_frame=video.max_frame_pixels
    )


class PromptCheck:
    """Counts the tokens of samples' prompts by a model's tokenizer and pixel rules; no weights, no decoding.

    Raises InputError when `model` is no directory of a supported family.
    """

    def __init__(self, model: Path, video: VideoConfig, *, mode: Mode, system: str | None = None) -> None:
        if not (model / "config.json").is_file():
            raise InputError(f"--model must be a Hugging Face model directory with a config.json; got {str(model)!r}")
        config = AutoConfig.from_pretrained(model)
        self.family = make_family(config, model)
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.limit = max_positions(config)
        self.mode: Mode = mode
        self.system = system
        self.video = video
        self.tokens = special_tokens(self.tokenizer, self.family)
        self._clips: dict[Path, Clip] = {}

    def length(self, sample: Sample) -> int:
        """Tokens of its prompt, vision tokens included; SampleError where the model cannot be asked."""
        text = get_task(sample.task).prompt(sample, self.mode)
        check_text(sample, text, self.tokens)
        rendered = render_prompt(self.tokenizer, self.family, text, self.system)
        length = len(prompt_ids(self.tokenizer, self.family, rendered, self._clip(sample.video_path)))
        check_length(sample, length, self.limit)
        return length

    def _clip(self, path: Path) -> Clip:
        if path not in self._clips:
            sampling = frame_sampling(self.video, self.family)
            pixels = self.family.frame_size or pixel_budget(self.video)
            self._clips[path] = blank_clip(path, sampling, pixels, self.family.factor)
        return self._clips[path]
