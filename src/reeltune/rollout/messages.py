"""A group as one request to a vLLM server, and its answer as a rollout.

The server is given the very text that our tokenizer was given, with one placeholder for the video: nothing depends on
its own chat template. Its answer names the prompt's tokens, which must be ours, in every answer.
"""

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reeltune.errors import InputError
from reeltune.models.chat import Rendered, prompt_ids
from reeltune.models.families.base import Family
from reeltune.models.features import clip_key
from reeltune.models.policy import Policy
from reeltune.models.types import Completions, Prompt
from reeltune.rollout.engine import Request, Rollout, SamplingParams
from reeltune.rollout.launch import NAME
from reeltune.rollout.vllm_plugin import POSITIONS
from reeltune.video.cache import FrameCache

TEMPLATE = "{{ reeltune_prompt }}"
BANNED = -100.0
"""Added to a logit: a token 100 nats below the others is drawn once in e^100, some 10^43, draws."""
SHOWN = 12


class PromptDiffers(InputError):
    """A server made other tokens of a prompt than we did: it must not be trained on."""


def require_served(family: Family, media: str) -> None:
    """InputError for a family whose videos we cannot send."""
    if family.served_times is None:
        raise InputError(
            "rollout.engine=vllm supports families that declare `served_times` (Qwen2-VL to Qwen3.6); "
            f"{type(family).__name__} does not, so rollout.media={media} cannot carry its videos: use "
            "rollout.engine=hf"
        )


class Messages:
    """Builds requests for one policy. `frames`: a cache on a disk that the servers see, for media=frames."""

    def __init__(self, policy: Policy, *, model: str = NAME, frames: FrameCache | None = None) -> None:
        self.policy = policy
        self.model = model
        self.frames = frames

    def key(self, request: Request) -> str:
        """Names the prompt and its video, whatever the seed."""
        facts = [request.prompt.input_ids.tolist(), *map(clip_key, request.prompt.media)]
        return hashlib.blake2b(json.dumps(facts).encode(), digest_size=12).hexdigest()

    def unserved(self, prompt: Prompt) -> str | None:
        """Why a prompt cannot be asked of a server, known before it is; None: it can."""
        if len(prompt.media) > 1 or any(clip.is_image for clip in prompt.media):
            return (
                "rollout.engine=vllm supports prompts with one video or text only; this prompt shows "
                f"{len(prompt.media)} videos and images: use rollout.engine=hf"
            )
        # The server reads one text, in which nothing marks what only looks like a special token.
        read = prompt_ids(self.policy.tokenizer, self.policy.family, Rendered(prompt.text, prompt.media, {}))
        if read != prompt.input_ids.tolist():
            return "its text contains what a server would read as a special token: use rollout.engine=hf"
        return None

    def body(self, request: Request, group_size: int, params: SamplingParams) -> bytes:
        call: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": self._media(request)}],
            "chat_template": TEMPLATE,
            "chat_template_kwargs": {"reeltune_prompt": request.prompt.text},
            "n": group_size,
            "seed": request.seed,
            "temperature": params.temperature,
            "top_p": params.top_p,
            "top_k": params.top_k,
            "max_tokens": params.max_new_tokens,
            "logprobs": True,
            "top_logprobs": 0,
            "logit_bias": {str(token): BANNED for token in params.banned},
            "stop_token_ids": list(self.policy.stop_ids),
            "return_token_ids": True,
            "skip_special_tokens": False,
        }
        if self.frames is not None and request.prompt.media:
            call["media_io_kwargs"] = {"video": {"video_backend": "reeltune"}}
            call["mm_processor_kwargs"] = {"do_resize": False, "do_sample_frames": False}
        return json.dumps(call).encode()

    def _media(self, request: Request) -> list[dict[str, Any]]:
        prompt, family = request.prompt, self.policy.family
        if not prompt.media:
            return [{"type": "text", "text": prompt.text}]
        if self.frames is not None:
            return [self._frames(prompt)]
        features = request.features
        tokens = torch.cat([features.tokens, *features.deepstack], dim=1)
        fields = {"video_embeds": tokens, **family.served_fields(prompt.clip)}
        if family.served_times == "positions":
            fields[POSITIONS] = prompt.position_ids
        packed = {name: _packed(value) if isinstance(value, Tensor) else value for name, value in fields.items()}
        return [{"type": "video_embeds", "video_embeds": packed}]

    def _frames(self, prompt: Prompt) -> dict[str, Any]:
        assert self.frames is not None
        key = hashlib.blake2b(clip_key(prompt.clip).encode(), digest_size=16).hexdigest()
        path = Path(self.frames.directory) / f"{key}{self.frames.suffix}"
        if not path.exists():
            self.frames.put(key, prompt.clip)
        told = {"frames": str(path.absolute())}
        if self.policy.family.served_times == "positions":
            told[POSITIONS] = _packed(prompt.position_ids)
        data = base64.b64encode(json.dumps(told).encode()).decode()
        return {"type": "video_url", "video_url": {"url": f"data:video/reeltune;base64,{data}"}}

    def rollout(self, request: Request, answer: dict[str, Any], group_size: int, version: int) -> Rollout:
        """KeyError, TypeError, ValueError or IndexError for an answer that is none; PromptDiffers."""
        require_prompt(request.prompt, answer["prompt_token_ids"], self.policy.tokenizer)
        choices = sorted(answer["choices"], key=lambda choice: int(choice["index"]))
        if len(choices) != group_size:
            raise ValueError(f"{len(choices)} completions, not {group_size}")
        rows = [[int(token) for token in choice["token_ids"]] for choice in choices]
        if not all(rows):
            raise ValueError("a completion without a token")
        completions = Completions.from_lists(rows)
        log_probs = torch.zeros(completions.ids.shape)
        for index, choice in enumerate(choices):
            values = [float(token["logprob"]) for token in choice["logprobs"]["content"]]
            if len(values) != len(rows[index]):
                raise ValueError(f"{len(values)} log-probs for {len(rows[index])} tokens")
            log_probs[index, : len(values)] = torch.tensor(values)
        stop = set(self.policy.stop_ids)
        stopped = [row[-1] in stop for row in rows]
        texts = [
            self.policy.tokenizer.decode(row[:-1] if ends else row, skip_special_tokens=False)
            for row, ends in zip(rows, stopped, strict=True)
        ]
        return Rollout(completions, log_probs, ~torch.tensor(stopped), texts, version=version)


def require_prompt(prompt: Prompt, theirs: Sequence[int], tokenizer: Any) -> None:
    """PromptDiffers, with both lists around the first difference, unless a server saw our tokens."""
    ours = prompt.input_ids.tolist()
    if list(theirs) == ours:
        return
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    around = slice(max(at - 3, 0), at + SHOWN)
    raise PromptDiffers(
        f"server and learner tokenize the prompt differently, starting at token {at} on ({len(ours)} tokens here, "
        f"{len(theirs)} there):\n  ours   {ours[around]} {tokenizer.decode(ours[around])!r}\n  theirs "
        f"{list(theirs[around])} {tokenizer.decode(list(theirs[around]))!r}\nIts model, tokenizer or vLLM version "
        "differs: start it with `reeltune serve` and this model"
    )


def _packed(tensor: Tensor) -> str:
    """As vLLM reads tensors: torch's own file, in base64."""
    buffer = io.BytesIO()
    torch.save(tensor.detach().cpu().contiguous(), buffer)
    return base64.b64encode(buffer.getvalue()).decode()
