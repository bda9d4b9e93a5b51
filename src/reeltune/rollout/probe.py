"""Whether a server computes what the learner computes: the same prompt, the same log-probs, with a video and without.

A server is asked at the start of a run, before it is trusted with anything, and whenever somebody wants to know
(`reeltune doctor parity`). The video is made here: noise, of a size that every family takes, its frames not evenly
spaced where positions may depend on it.
"""

from dataclasses import dataclass

import numpy as np
import torch

from reeltune.errors import InputError
from reeltune.models.policy import Policy
from reeltune.models.shared_prefix.row import group_log_probs
from reeltune.models.types import Group, Prompt, VideoFeatures
from reeltune.rollout.engine import Request, Rollout, SamplingParams
from reeltune.rollout.messages import Messages, PromptDiffers
from reeltune.rollout.server import Server
from reeltune.video.clip import Clip

TOLERANCE = {"float32": 1e-4, "bf16": 0.25}
"""Between log-probs of one token: of kernels in float32, and of weights or activations in bfloat16."""
TOKENS, COMPLETIONS = 8, 2
QUESTION = "What happens in this video, and when?"


@dataclass(frozen=True)
class Case:
    """A prompt that both sides read."""

    name: str
    request: Request


@dataclass(frozen=True)
class Seen:
    """What became of a case. `ids`: whether the server read our tokens; `gap`: the largest difference of a log-prob."""

    name: str
    tokens: int
    ids: bool
    gap: float | None
    why: str = ""


def noise_clip(policy: Policy, *, frames: int = 6, seconds: float = 3.0, even: bool = True, seed: int = 7) -> Clip:
    """uint8 noise of two by three blocks of vision tokens a frame."""
    rng = np.random.default_rng(seed)
    side = policy.family.factor
    times = np.arange(frames) * seconds / frames
    if not even:
        # The last half comes twice as slowly.
        times[frames // 2 :] += np.arange(frames - frames // 2) * seconds / frames
    pixels = rng.integers(0, 256, (frames, 2 * side, 3 * side, 3), dtype=np.uint8)
    return Clip(pixels, times, float(times[-1]) + seconds / frames, f"probe-{seed}-{frames}-{even}")


@torch.no_grad()
def video_case(policy: Policy, name: str, clip: Clip) -> Case:
    prompt = policy.prompt(QUESTION, clip)
    [features] = policy.encode([clip])
    return Case(name, Request(prompt, features, seed=11))


def text_case(policy: Policy) -> Case:
    """The chat around a question, and no video."""
    text = "".join(policy.prompt(QUESTION, noise_clip(policy, frames=2)).text.split(policy.family.placeholder))
    for token in ("<|vision_start|>", "<|vision_end|>"):
        text = text.replace(token, "")
    ids = torch.tensor(policy.tokenizer(text, add_special_tokens=False)["input_ids"])
    width = policy.text_config.hidden_size
    nothing = torch.zeros(0, width)
    features = VideoFeatures(nothing, tuple(nothing for _ in range(policy.family.deepstack_layers)))
    return Case("text", Request(Prompt(ids, torch.arange(len(ids)).expand(3, -1), (), text), features, 11))


def cases(policy: Policy) -> list[Case]:
    return [
        text_case(policy),
        video_case(policy, "video", noise_clip(policy)),
        video_case(policy, "video at 0.7 fps", noise_clip(policy, seconds=6 / 0.7)),
        video_case(policy, "video with a variable frame rate", noise_clip(policy, even=False)),
    ]


def sample(server: Server, messages: Messages, request: Request, policy: Policy) -> Rollout:
    """Down, Refused or PromptDiffers where the server cannot; ValueError and the like for an answer that is none."""
    params = SamplingParams(max_new_tokens=TOKENS, banned=tuple(policy.banned.tolist()))
    answer = server.complete(messages.body(request, COMPLETIONS, params))
    return messages.rollout(request, answer, COMPLETIONS, 0)


@torch.no_grad()
def learner_gap(policy: Policy, request: Request, rollout: Rollout) -> float:
    """The largest difference of a log-prob between a server and the learner's own pass."""
    was_training = policy.training
    policy.eval()
    try:
        group = Group(request.prompt, request.features, rollout.completions)
        [values] = group_log_probs(policy, [group], temperature=1.0)
    finally:
        policy.train(was_training)
    difference = values.float().cpu() - rollout.log_probs
    return float(difference[rollout.completions.mask].abs().max())


def look(server: Server, messages: Messages, policy: Policy, case: Case) -> Seen:
    """Down or Refused where the server has no answer."""
    tokens = len(case.request.prompt)
    try:
        rollout = sample(server, messages, case.request, policy)
    except PromptDiffers as error:
        return Seen(case.name, tokens, False, None, str(error))
    return Seen(case.name, tokens, True, learner_gap(policy, case.request, rollout))


def require_same(seen: Seen, tolerance: float, url: str) -> None:
    """InputError for a server whose rollouts could not be trusted."""
    if not seen.ids:
        raise InputError(f"{url}: {seen.why}")
    if seen.gap is None or not seen.gap <= tolerance:
        raise InputError(
            f"{url}: its log-probs differ from the learner's by {seen.gap:.3g} on a made video, more than "
            f"{tolerance:g} (rl.parity_tolerance): its weights, precision or positions differ. `reeltune doctor "
            "parity MODEL --server URL` finds out which"
        )
