"""Conversations with videos and images of any family, and the stock processor's inputs for them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tests.models.families.generated import PATCH, SIDE

from reeltune.models.policy import Policy
from reeltune.models.types import Message, Prompt
from reeltune.video.clip import Clip
from reeltune.video.sampling import PixelBudget

PIXELS = PixelBudget(total=10**6, min_per_frame=SIDE**2, max_per_frame=8 * SIDE**2)
# What each turn of a conversation shows: a video's frames, or an image's height and width.
CASES: dict[str, list[list[int | tuple[int, int]]]] = {
    "image": [[(90, 160)]],
    "tall image": [[(230, 70)]],
    "two images": [[(90, 160), (64, 64)]],
    "two videos": [[4, 4]],
    "mixed": [[4, (90, 160)]],
    "two turns": [[(60, 50), 4], [4, (90, 160)]],
    "text alone": [[]],
}


def pattern(count: int, height: int, width: int) -> np.ndarray:
    """uint8 [T, H, W, 3] of waves: without edges, at which filters that resize overshoot in one order or another."""
    t, y, x, c = np.meshgrid(*map(np.arange, (count, height, width, 3)), indexing="ij")
    return (127.5 + 60 * np.sin(x / 7 + t) + 50 * np.cos(y / 5 + 2 * c + x / 30)).astype(np.uint8)


@dataclass
class Conversation:
    """messages: as ours; images and videos: as they were before any resizing, in order."""

    messages: list[Message]
    images: list[np.ndarray]
    videos: list[np.ndarray]

    @property
    def media(self) -> list[Clip]:
        return [clip for message in self.messages for clip in message.media]


def conversation(policy: Policy, case: str) -> Conversation:
    """Videos of the tower's side (how they are resized is tested elsewhere), images of any size."""
    turns = CASES[case]
    images = [pattern(1, *each)[0] for turn in turns for each in turn if isinstance(each, tuple)]
    videos = [
        pattern(each + number, SIDE, SIDE)[number:]
        for number, each in enumerate(e for turn in turns for e in turn if isinstance(e, int))
    ]
    made = Conversation([Message("system", "Be short.")] if len(turns) > 1 else [], images, videos)
    left_images, left_videos = iter(images), iter(videos)
    for number, turn in enumerate(turns):
        if number:
            made.messages.append(Message("assistant", "A red circle."))
        clips = []
        for each in turn:
            if isinstance(each, tuple):
                image = next(left_images)
                pieces = policy.family.image_frames(image, policy.family.frame_size or PIXELS, alone=len(images) == 1)
                clips.append(Clip(pieces, np.zeros(len(pieces)), 0.0, f"image {each}", each))
            else:
                frames = next(left_videos)
                clips.append(Clip(frames, np.arange(each) / 2, each / 2, f"video {frames[0, 0, 0]}"))
        made.messages.append(Message("user", f"What is it {number}?", tuple(clips)))
    return made


def stock_inputs(policy: Policy, name: str, shown: Conversation) -> dict[str, torch.Tensor]:
    """What transformers' processor of the family makes of the same conversation."""
    from transformers.video_utils import VideoMetadata

    family = policy.family
    chat = []
    for message in shown.messages:
        parts = [{"type": family.image_type if clip.is_image else family.content_type} for clip in message.media]
        chat.append({"role": message.role, "content": [*parts, {"type": "text", "text": message.text}]})
    text = policy.tokenizer.apply_chat_template(
        chat, chat_template=family.chat_template, tokenize=False, add_generation_prompt=True
    )
    arguments: dict[str, Any] = {"text": [text], "return_tensors": "pt"}
    if shown.images:
        arguments["images"] = [[torch.from_numpy(image).permute(2, 0, 1) for image in shown.images]]
    if shown.videos:
        arguments["videos"] = [[torch.from_numpy(video).permute(0, 3, 1, 2) for video in shown.videos]]
        metadata = [
            VideoMetadata(total_num_frames=len(v), fps=2.0, duration=len(v) / 2, frames_indices=list(range(len(v))))
            for v in shown.videos
        ]
        arguments["videos_kwargs"] = {"video_metadata": [metadata], "do_sample_frames": False}
    return dict(_processor(policy, name)(**arguments))


def _processor(policy: Policy, name: str) -> Any:
    import transformers

    kind = name.removesuffix("_moe").replace("qwen3_5", "qwen3_vl")
    tokenizer, family = policy.tokenizer, policy.family
    mean, std = list(family.mean), list(family.std)
    shared = {"image_mean": mean, "image_std": std}
    square = {"height": SIDE, "width": SIDE}
    if kind.startswith(("qwen", "glm")):
        return _of_patches(kind, family, tokenizer, shared)
    if kind == "internvl":
        for field, token in (("start", "<img>"), ("end", "</img>"), ("context", "<IMG_CONTEXT>")):
            setattr(tokenizer, f"{field}_image_token", token)
            setattr(tokenizer, f"{field}_image_token_id", tokenizer.convert_tokens_to_ids(token))
        tokenizer.video_token = "<video>"
        return transformers.InternVLProcessor(
            image_processor=transformers.GotOcr2ImageProcessor(size=square, **shared),
            tokenizer=tokenizer,
            video_processor=transformers.InternVLVideoProcessor(size=square, **shared),
            image_seq_length=family.config.image_seq_length,
        )
    if kind == "smolvlm":
        tokenizer.image_token = "<image>"
        return transformers.SmolVLMProcessor(
            image_processor=transformers.SmolVLMImageProcessor(
                size={"longest_edge": 4 * SIDE}, max_image_size={"longest_edge": SIDE}, **shared
            ),
            tokenizer=tokenizer,
            video_processor=transformers.SmolVLMVideoProcessor(
                size={"longest_edge": SIDE}, max_image_size={"longest_edge": SIDE}, **shared
            ),
            image_seq_len=family.frame_tokens,
        )
    assert kind == "llava_onevision"
    return transformers.LlavaOnevisionProcessor(
        image_processor=transformers.LlavaOnevisionImageProcessor(
            size=square, image_grid_pinpoints=family.config.image_grid_pinpoints, **shared
        ),
        tokenizer=tokenizer,
        video_processor=transformers.LlavaOnevisionVideoProcessor(size=square, **shared),
        num_image_tokens=(SIDE // PATCH) ** 2,
        vision_feature_select_strategy="full",
    )


def _of_patches(kind: str, family: Any, tokenizer: Any, shared: dict[str, Any]) -> Any:
    """The processor of a family whose tower takes patches of any grid."""
    import transformers

    vision = family.config.vision_config
    sizes = {
        "patch_size": vision.patch_size, "merge_size": vision.spatial_merge_size,
        "temporal_patch_size": vision.temporal_patch_size,
    }  # fmt: skip
    if kind == "glm46v":
        # Sizes count the frames of a time patch: an image twice.
        image = transformers.Glm46VImageProcessor(
            size={"shortest_edge": 2 * SIDE**2, "longest_edge": 16 * SIDE**2}, **sizes, **shared
        )
        video = transformers.Glm46VVideoProcessor(
            size={"shortest_edge": SIDE**2, "longest_edge": 8 * SIDE**2}, **sizes, **shared
        )
        return transformers.Glm46VProcessor(image_processor=image, tokenizer=tokenizer, video_processor=video)
    kinds = {"qwen2_vl": "Qwen2VL", "qwen2_5_vl": "Qwen2_5_VL", "qwen3_vl": "Qwen3VL"}
    image = transformers.Qwen2VLImageProcessor(
        size={"shortest_edge": SIDE**2, "longest_edge": 8 * SIDE**2}, **sizes, **shared
    )
    video_kind = "Qwen3VLVideoProcessor" if kind == "qwen3_vl" else "Qwen2VLVideoProcessor"
    many = 8 if kind == "qwen3_vl" else 1
    video = getattr(transformers, video_kind)(
        size={"shortest_edge": PATCH**2, "longest_edge": many * SIDE**2}, **sizes, **shared
    )
    return getattr(transformers, f"{kinds[kind]}Processor")(
        image_processor=image, tokenizer=tokenizer, video_processor=video
    )


def pixels_of(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The pixel values, in a form that does not tell rows of a batch from frames."""
    names = ("pixel_values", "pixel_values_videos")
    found = {name: inputs[name] for name in names if name in inputs}
    return {name: each.flatten(0, each.ndim - 4) if each.ndim > 3 else each for name, each in found.items()}


def our_inputs(policy: Policy, prompt: Prompt) -> dict[str, torch.Tensor]:
    return policy.family.stock_inputs(prompt.input_ids[None], prompt.media)
