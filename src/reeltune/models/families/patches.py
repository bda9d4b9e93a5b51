"""Families whose tower takes patches and their grid, and whose decoder has positions in time, row and column."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reeltune.models._transformers import become
from reeltune.models.families.base import Family
from reeltune.models.types import VideoFeatures
from reeltune.video.clip import Clip
from reeltune.video.resize import FrameSize, resize_frame
from reeltune.video.sampling import PixelBudget, resized_size


class PatchFamily(Family):
    """The Qwen families' layout: `model.visual` with its merger, video placeholders, M-RoPE."""

    served_times: ClassVar[Literal["text", "positions"] | None] = "positions"
    placeholder: ClassVar = "<|video_pad|>"
    image_placeholder: ClassVar = "<|image_pad|>"
    vision_tokens: ClassVar[tuple[str, ...]] = (
        "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
    )  # fmt: skip

    def __init__(self, config: Any, processor: Mapping[str, Any]) -> None:
        super().__init__(config, processor)
        vision = config.vision_config
        self.patch: int = vision.patch_size
        self.merge: int = vision.spatial_merge_size
        self.temporal_patch: int = vision.temporal_patch_size
        self.factor = self.patch * self.merge

    def vision_modules(self, model: Any) -> list[nn.Module]:
        return [model.model.visual]

    def projector(self, model: Any) -> list[nn.Module]:
        visual = model.model.visual
        return [visual.merger, *getattr(visual, "deepstack_merger_list", ())]

    def grid(self, clip: Clip) -> tuple[int, int, int]:
        frames, height, width, _ = clip.frames.shape
        return -(-frames // self.temporal_patch), height // self.patch, width // self.patch

    def token_grid(self, clip: Clip) -> tuple[int, int, int]:
        """Vision tokens of the clip: time patches, rows, columns."""
        time, height, width = self.grid(clip)
        return time, height // self.merge, width // self.merge

    def patches(self, clip: Clip, device: torch.device) -> Tensor:
        """Normalized patches [patches, 3 * temporal * patch * patch], float32, cut on `device`."""
        frames = torch.from_numpy(clip.frames).to(device)
        return cut_patches(frames, self.patch, self.merge, self.temporal_patch, self.mean, self.std)

    def encode(self, model: Any, clips: Sequence[Clip]) -> list[VideoFeatures]:
        device = next(model.parameters()).device
        grids = torch.tensor([self.grid(clip) for clip in clips], device=device)
        patches = torch.cat([self.patches(clip, device) for clip in clips])
        output = model.model.get_video_features(patches, grids, return_dict=True)
        deepstack = getattr(output, "deepstack_features", None) or ()
        return [
            VideoFeatures(tokens, tuple(layer[index] for layer in deepstack))
            for index, tokens in enumerate(output.pooler_output)
        ]

    def image_frames(self, image: np.ndarray, pixels: PixelBudget | FrameSize, *, alone: bool) -> np.ndarray:
        """One frame within the budget; the tower's time patch holds it twice."""
        assert isinstance(pixels, PixelBudget)
        return resize_frame(image, *resized_size(1, image.shape[0], image.shape[1], pixels, self.factor))[None]

    def image_text(self, clip: Clip) -> str:
        _, rows, columns = self.token_grid(clip)
        return "<|image_pad|>" * (rows * columns)

    def stock_inputs(self, ids: Tensor, media: Sequence[Clip]) -> dict[str, Tensor]:
        found = {"mm_token_type_ids": (ids == self.placeholder_id).int() * 2 + (ids == self.image_id).int()}
        for name, grid_name, is_image in (
            ("pixel_values_videos", "video_grid_thw", False),
            ("pixel_values", "image_grid_thw", True),
        ):
            if own := [clip for clip in media if clip.is_image == is_image]:
                found[name] = torch.cat([self.patches(clip, ids.device) for clip in own]).repeat(len(ids), 1)
                found[grid_name] = torch.tensor([self.grid(clip) for clip in own] * len(ids), device=ids.device)
        return found

    def served_fields(self, clip: Clip) -> dict[str, Any]:
        return {"video_grid_thw": torch.tensor(self.grid(clip))}

    def time_positions(self, clip: Clip) -> list[int]:
        """Where each time patch stands in time, counted from the first."""
        return list(range(self.grid(clip)[0]))

    def position_ids(self, ids: Tensor, media: Sequence[Clip]) -> Tensor:
        patches = [
            TimePatch(time, *self.token_grid(clip)[1:], number)
            for number, clip in enumerate(media)
            for time in ([0] if clip.is_image else self.time_positions(clip))
        ]
        return grid_positions(self.is_vision(ids), patches)


class TimePatch(NamedTuple):
    """`rows` x `columns` vision tokens of one moment, at `time` in positions, of the prompt's medium `medium`."""

    time: int
    rows: int
    columns: int
    medium: int


def grid_positions(is_vision: Tensor, patches: Sequence[TimePatch]) -> Tensor:
    """M-RoPE positions [3, P] of a prompt whose vision tokens [P] are the `patches`, one after the other.

    Text counts on by one in all three rows. Vision tokens that begin at position p, with their medium or after text,
    hold one or more time patches: each, counted from the first of them, stands at time p + time, its tokens at rows
    p.. and columns p... What follows goes on at the largest position so far + 1, time included: the rule that Qwen2-VL
    and its successors were trained with (Qwen2-VL, arXiv 2409.12191, section 2.1). An image is one patch.
    """
    runs = torch.tensor_split(is_vision, (is_vision.diff().nonzero()[:, 0] + 1).tolist())
    left = deque(patches)
    pieces: list[Tensor] = []
    start = 0
    for run in runs:
        room = len(run)
        while room:
            piece = _block(left, room) if bool(run[0]) else torch.arange(room).expand(3, -1)
            pieces.append(piece + start)
            room -= piece.shape[1]
            start = int(pieces[-1].max()) + 1
    return torch.cat(pieces, dim=1)


def _block(left: deque[TimePatch], room: int) -> Tensor:
    """Positions [3, N <= room] of the time patches that stand together, from the first one's; they are taken."""
    first, cells = left[0], []
    while left and left[0].medium == first.medium and left[0].rows * left[0].columns <= room:
        patch = left.popleft()
        room -= patch.rows * patch.columns
        place = torch.meshgrid(torch.arange(patch.rows), torch.arange(patch.columns), indexing="ij")
        time = torch.full_like(place[0], patch.time - first.time)
        cells.append(torch.stack([time, *place]).flatten(1))
    if not cells:
        raise ValueError(f"{room} placeholders for a grid of {first.rows} x {first.columns} vision tokens")
    return torch.cat(cells, dim=1)


def patch_seconds(clip: Clip, temporal_patch: int) -> np.ndarray:
    """float32 [time patches]: when each begins, in seconds, as the positions of Qwen2.5-VL count them.

    Evenly sampled frames: index * (temporal patch * duration / T), the processors' rule that the models were trained
    with (it spreads T frames over the whole duration, also where the last of them is the file's last). Uneven ones
    (variable frame rate): the time stamp of the patch's first frame; our choice, the processors know no such thing.
    Frames count as even while none is off by more than half a source frame (what rounding to whole frames does): the
    last frame's own duration stands for that frame, and no more than half the sampled frames' distance.
    """
    stamps = np.asarray(clip.timestamps, dtype=np.float64)
    frames, last = len(stamps), float(stamps[-1] - stamps[0])
    even = stamps[0] + np.linspace(0.0, last, frames)
    step = last / max(frames - 1, 1)
    allowed = min(max(clip.duration - stamps[-1], 0.0), step) / 2 + 1e-6
    if np.abs(stamps - even).max() <= allowed:
        seconds = np.float32(temporal_patch * clip.duration / frames)
        return np.arange(-(-frames // temporal_patch), dtype=np.float32) * seconds
    return stamps[::temporal_patch].astype(np.float32)


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
