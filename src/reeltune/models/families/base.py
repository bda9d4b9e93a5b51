"""What differs between model families: where their parts stand, pixels, placeholders, positions. One class each."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from reeltune.errors import InputError
from reeltune.models.types import VideoFeatures
from reeltune.video.clip import Clip
from reeltune.video.resize import FrameSize
from reeltune.video.sampling import PixelBudget

# The kinds of layers, by transformers' names, whose state of a prompt completions can go on from.
SERVED_KINDS = frozenset({"full_attention", "sliding_attention", "linear_attention"})


class Family(ABC):
    """What differs between model families: where the parts of a model are, what its vision tower takes, which text
    stands for a video or an image, and the positions of a prompt.

    A family of your own derives from `PatchFamily` (patches and a grid) or `FrameFamily` (frames as images), or from a
    built-in family, and overrides what is different. A recipe names it as `model.family: my_family.py:MyFamily`;
    examples/own_family.py is a complete one, and docs/new-family.md lists what can be overridden.

    `config` is the model's own config, which gives the sizes. `processor` holds the settings of the model directory's
    processor files. `mean` and `std`, of pixels from 0 to 1, come from there, else from the family's `default_mean` and
    `default_std`.

    Shape letters: P tokens of a prompt, R rows of L tokens, T frames of H x W pixels, N vision tokens of width D. A
    clip's frames are uint8 [T, H, W, 3], its times seconds. An image is a `Clip` too (`is_image`), of the pieces that
    `image_frames` cuts it into.

    Without images, `image_text` and `image_frames` raise NotImplementedError. `refuse_inseparable`, called when a model
    is loaded, raises InputError if its layers cannot keep the completions of a prompt apart.
    """

    # What the chat template is given for a video, and the text it writes in its place; the same for an image.
    content_type: ClassVar[str] = "video"
    placeholder: ClassVar[str]
    # Where config.json says which token each vision token of a video replaces.
    placeholder_key: ClassVar[str] = "video_token_id"
    image_type: ClassVar[str] = "image"
    # None: the family takes no images.
    image_placeholder: ClassVar[str | None] = None
    # In place of the tokenizer's own chat template, where that does not know videos.
    chat_template: ClassVar[str | None] = None
    # Tokens that stand for video, by name: never sampled, never in an answer.
    vision_tokens: ClassVar[tuple[str, ...]]
    # How a vLLM server learns when a video's patches are: from the prompt's text, or from positions sent along. None:
    # it is not asked about this family's videos.
    served_times: ClassVar[Literal["text", "positions"] | None] = None
    # Which tokens of a prompt see which. Only "causal" is served today.
    visibility: ClassVar[Literal["causal", "two-way vision"]] = "causal"
    default_mean: ClassVar[tuple[float, float, float]]
    default_std: ClassVar[tuple[float, float, float]]
    # Frames of one time patch, and the pixels that frame sides must be multiples of.
    temporal_patch: int = 1
    factor: int = 1
    # Frames are cut to this size when they are read, once; None: sides go by the pixel budget and `factor`.
    frame_size: FrameSize | None = None

    def __init__(self, config: Any, processor: Mapping[str, Any]) -> None:
        """`processor`: the model directory's settings for videos, and under "image" those for images."""
        self.config = config
        self.image_settings: Mapping[str, Any] = processor.get("image") or {}
        self.mean: tuple[float, ...] = tuple(processor.get("image_mean") or self.default_mean)
        self.std: tuple[float, ...] = tuple(processor.get("image_std") or self.default_std)

    @property
    def placeholder_id(self) -> int:
        """The token that each vision token of a video replaces."""
        token_id: int = getattr(self.config, self.placeholder_key)
        return token_id

    @property
    def image_id(self) -> int:
        """The token that each vision token of an image replaces."""
        token_id: int = getattr(self.config, "image_token_id", self.placeholder_id)
        return token_id

    def is_vision(self, ids: Tensor) -> Tensor:
        """bool, of the shape of `ids`: which of them a vision token replaces."""
        return (ids == self.placeholder_id) | (ids == self.image_id)

    # Where the parts of the model stand

    def language_model(self, model: Any) -> Any:
        """The decoder, without the head."""
        return model.model.language_model

    def head(self, model: Any) -> nn.Module:
        """What makes logits of the language model's hidden states."""
        head: nn.Module = model.lm_head
        return head

    @abstractmethod
    def vision_modules(self, model: Any) -> list[nn.Module]:
        """All that turns pixels into vision tokens: the tower first, and a projector that stands beside it."""

    @abstractmethod
    def projector(self, model: Any) -> list[nn.Module]:
        """What brings the tower's features to the language model's width."""

    @property
    def deepstack_layers(self) -> int:
        """How many of the first decoder layers vision features are added to once more."""
        return 0

    # A clip and its prompt

    def smallest_clip(self) -> Clip:
        """A black clip of as few patches as the tower takes."""
        size = self.frame_size
        height, width = (size.height, size.width) if size else (2 * self.factor, 2 * self.factor)
        frames = np.zeros((self.temporal_patch, height, width, 3), np.uint8)
        return Clip(frames, np.arange(self.temporal_patch, dtype=np.float64), float(self.temporal_patch), "black")

    @abstractmethod
    def grid(self, clip: Clip) -> tuple[int, int, int]:
        """Time patches, rows and columns of patches."""

    @abstractmethod
    def patches(self, clip: Clip, device: torch.device) -> Tensor:
        """What the tower takes, normalized, float32: patches [patches, pixels of one], or frames [T, 3, side, side]."""

    @abstractmethod
    def encode(self, model: Any, clips: Sequence[Clip]) -> list[VideoFeatures]:
        """Run the vision tower once over all clips; attention never crosses from one clip to another.

        One result per clip, in order: its vision tokens [N, D], and one more [N, D] for each of `deepstack_layers`.
        """

    @abstractmethod
    def stock_inputs(self, ids: Tensor, media: Sequence[Clip]) -> dict[str, Tensor]:
        """What the stock model takes beside `input_ids` [R, L] and positions, for R rows over the same media."""

    def served_fields(self, clip: Clip) -> dict[str, Any]:
        """What vLLM's processor of this model takes beside a video's features, by vLLM's names."""
        return {}

    def text_of(self, clip: Clip) -> str:
        """The text that replaces the placeholder which the chat template wrote for it."""
        return self.image_text(clip) if clip.is_image else self.video_text(clip)

    @abstractmethod
    def video_text(self, clip: Clip) -> str:
        """The text that replaces a video's `placeholder`."""

    def image_text(self, clip: Clip) -> str:
        """The text that replaces an image's `image_placeholder`."""
        raise NotImplementedError(f"{type(self).__name__} does not accept images")

    def image_frames(self, image: np.ndarray, pixels: PixelBudget | FrameSize, *, alone: bool) -> np.ndarray:
        """An image uint8 [H, W, 3] as the tower sees it, uint8 [T, h, w, 3]; `alone`: no other image in its prompt."""
        raise NotImplementedError(f"{type(self).__name__} does not accept images")

    @abstractmethod
    def position_ids(self, ids: Tensor, media: Sequence[Clip]) -> Tensor:
        """Positions [3, P] (time, row, column) of a prompt's `ids` [P]; a plain decoder's stand three times."""

    def language_positions(self, positions: Tensor) -> Tensor:
        """Positions [3, R, L] in the form that the family's language model takes."""
        return positions

    def language_inputs(self, is_vision: Tensor, features: list[VideoFeatures]) -> dict[str, Any]:
        """Extra arguments of the language model for a pass over prompts; `is_vision` is [R, L]."""
        return {}

    def refuse_inseparable(self, text_config: Any, path: Path) -> None:
        """InputError for a language model in which attention alone does not keep completions of a prompt apart."""
        kinds = set(getattr(text_config, "layer_types", None) or ["full_attention"])
        if other := sorted(kinds - SERVED_KINDS):
            raise InputError(
                f"{path}: layers of type {other} cannot separate completions that share a prompt; only "
                f"{sorted(SERVED_KINDS)} can. Use a model without other layers"
            )
        window = getattr(text_config, "sliding_window", None)
        if "sliding_attention" in kinds and not (isinstance(window, int) and window > 0):
            raise InputError(
                f"{path}: config.json has layers of type sliding_attention but no sliding_window (got {window}); set "
                "it, and for a Qwen model use_sliding_window: true"
            )
        if self.visibility != "causal":
            raise InputError(
                f"{path}: {type(self).__name__} has {self.visibility} attention; only causal attention is supported"
            )
        if dropout := getattr(text_config, "attention_dropout", 0.0):
            raise InputError(
                f"{path}: attention_dropout is {dropout}; it must be 0 so that rollout and update use the same "
                "model. Set it to 0 in config.json"
            )


def read_processor(directory: Path) -> dict[str, Any]:
    """The video (else image) processor settings of a model directory, and under "image" those for images."""
    image = _settings(directory / "preprocessor_config.json") or {}
    video = _settings(directory / "video_preprocessor_config.json")
    return {**(image if video is None else video), "image": image}


def _settings(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
