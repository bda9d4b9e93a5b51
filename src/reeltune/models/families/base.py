"""What differs between model families: pixels, placeholders, positions. One subclass per family."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from reeltune.models._transformers import become
from reeltune.models.types import VideoFeatures
from reeltune.video.clip import Clip


class Family(ABC):
    """Turns a clip into patches, the text that stands for it, and the positions of the prompt.

    The pixel statistics come from the model directory's processor files where they exist, else from the
    family's published defaults; patch sizes come from the model's own config.
    """

    model_types: ClassVar[tuple[str, ...]]
    # What the chat template is given for a video, and the text it writes in its place.
    content_type: ClassVar[str] = "video"
    placeholder: ClassVar[str] = "<|video_pad|>"
    default_mean: ClassVar[tuple[float, float, float]]
    default_std: ClassVar[tuple[float, float, float]]

    def __init__(self, config: Any, processor: Mapping[str, Any]) -> None:
        vision = config.vision_config
        self.config = config
        self.patch: int = vision.patch_size
        self.merge: int = vision.spatial_merge_size
        self.temporal_patch: int = vision.temporal_patch_size
        self.mean: tuple[float, ...] = tuple(processor.get("image_mean") or self.default_mean)
        self.std: tuple[float, ...] = tuple(processor.get("image_std") or self.default_std)

    @property
    def factor(self) -> int:
        """Frame sides are multiples of this many pixels: one vision token's side."""
        return self.patch * self.merge

    @property
    def placeholder_id(self) -> int:
        """The token that each vision token of a prompt replaces."""
        token_id: int = self.config.video_token_id
        return token_id

    def vision_modules(self, model: Any) -> list[nn.Module]:
        """All that turns pixels into vision tokens: the tower first, and a projector that stands beside it."""
        return [model.model.visual]

    def projector(self, model: Any) -> list[nn.Module]:
        """What brings the tower's features to the language model's width."""
        visual = model.model.visual
        return [visual.merger, *getattr(visual, "deepstack_merger_list", ())]

    def language_positions(self, positions: Tensor) -> Tensor:
        """Prompt positions [3, B, L] in the form that the family's language model takes."""
        return positions

    def grid(self, clip: Clip) -> tuple[int, int, int]:
        frames, height, width, _ = clip.frames.shape
        return -(-frames // self.temporal_patch), height // self.patch, width // self.patch

    def vision_tokens(self, grid: tuple[int, int, int]) -> int:
        return grid[0] * grid[1] * grid[2] // self.merge**2

    def patches(self, clip: Clip, device: torch.device) -> Tensor:
        """Normalized patches [patches, 3 * temporal * patch * patch], float32, cut on `device`."""
        frames = torch.from_numpy(clip.frames).to(device)
        return cut_patches(frames, self.patch, self.merge, self.temporal_patch, self.mean, self.std)

    def encode(self, model: nn.Module, clips: Sequence[Clip]) -> list[VideoFeatures]:
        """Run the vision tower once over all clips; attention never crosses from one clip to another."""
        device = next(model.parameters()).device
        grids = torch.tensor([self.grid(clip) for clip in clips], device=device)
        patches = torch.cat([self.patches(clip, device) for clip in clips])
        output = model.model.get_video_features(patches, grids, return_dict=True)  # type: ignore[union-attr, operator]
        deepstack = getattr(output, "deepstack_features", None) or ()
        return [
            VideoFeatures(tokens, tuple(layer[index] for layer in deepstack))
            for index, tokens in enumerate(output.pooler_output)
        ]

    def language_inputs(self, is_vision: Tensor, features: list[VideoFeatures]) -> dict[str, Any]:
        """Extra arguments of the language model for a pass over prompts; `is_vision` is [B, P]."""
        return {}

    @abstractmethod
    def video_text(self, clip: Clip) -> str:
        """The text that replaces the chat template's one `placeholder`."""

    @abstractmethod
    def position_ids(self, model: nn.Module, input_ids: Tensor, clip: Clip) -> Tensor:
        """M-RoPE positions [3, P] of a prompt's `input_ids` [P]."""

    def _rope_index(self, model: nn.Module, input_ids: Tensor, clip: Clip, **extra: Any) -> Tensor:
        kinds = (input_ids == self.config.video_token_id).int() * 2
        grid = torch.tensor([self.grid(clip)])
        positions, _ = model.model.get_rope_index(  # type: ignore[union-attr, operator]
            input_ids[None], mm_token_type_ids=kinds[None], video_grid_thw=grid, **extra
        )
        result: Tensor = positions[:, 0]
        return result


class PatchProjection(nn.Conv3d):
    """A tower's first convolution, over patches of exactly its kernel's size: one matrix product.

    As a convolution it is slower on a CPU, and by far on some GPUs (transformers issue 45750; not measured here).
    """

    def forward(self, patches: Tensor) -> Tensor:
        """[N, channels, temporal, side, side] -> [N, H, 1, 1, 1]."""
        return functional.linear(patches.flatten(1), self.weight.flatten(1), self.bias)[:, :, None, None, None]


def project_patches_by_matrix(tower: nn.Module) -> None:
    """Make the tower's patch embedding a `PatchProjection`; its weight keeps its name and shape."""
    for module in tower.modules():
        if type(module) is nn.Conv3d and module.kernel_size == module.stride:
            become(module, PatchProjection)


def cut_patches(
    frames: Tensor,
    patch: int,
    merge: int,
    temporal_patch: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> Tensor:
    """Frames uint8 [T, H, W, 3] -> normalized patches [patches, 3 * temporal_patch * patch * patch].

    Patches of one `merge` x `merge` block stand together, as the towers of the Qwen families expect; an odd
    last frame is repeated. Equal to transformers' video processors.
    """
    if missing := -len(frames) % temporal_patch:
        frames = torch.cat([frames, frames[-1:].expand(missing, -1, -1, -1)])
    count, height, width, channels = frames.shape
    scale = 1.0 / (1 / 255)
    pixels = frames.permute(0, 3, 1, 2).float()
    pixels = pixels.sub_((torch.tensor(mean, device=frames.device) * scale)[:, None, None])
    pixels = pixels.div_((torch.tensor(std, device=frames.device) * scale)[:, None, None])
    grid_t, grid_h, grid_w = count // temporal_patch, height // patch, width // patch
    blocks = pixels.reshape(
        grid_t, temporal_patch, channels, grid_h // merge, merge, patch, grid_w // merge, merge, patch
    )
    return blocks.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(grid_t * grid_h * grid_w, -1)


def read_processor(directory: Path) -> dict[str, Any]:
    """The video (else image) processor settings of a model directory; empty when it has none."""
    for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
        if (directory / name).is_file():
            settings: dict[str, Any] = json.loads((directory / name).read_text(encoding="utf-8"))
            return settings
    return {}
