"""Models that somebody else serves: the same prompts and videos to an OpenAI-compatible endpoint, its answers as ours.

No weights and no tokenizer are here. The question is the task's own text; the video goes as its file (`file`: vLLM,
SGLang, Qwen and Gemini endpoints take `video_url`), or as the frames that our models would see, each after its time in
seconds (`frames`: what takes images alone). Answers are read, scored and compared like those of any model.
"""

import base64
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from reeltune.config.recipe import Recipe, VideoConfig
from reeltune.errors import InputError, NoServers, SampleError, VideoError
from reeltune.evaluation.runner import Answer
from reeltune.judges.endpoint import Endpoint, Names, Reply, Unanswered
from reeltune.judges.transcript import ModelSettings
from reeltune.rollout.engine import derive_seed
from reeltune.rollout.media import KEYS, pixel_budget
from reeltune.sample import Medium, Sample
from reeltune.tasks import get_task
from reeltune.tasks.base import Mode
from reeltune.video.cache import FrameCache
from reeltune.video.clip import Clip
from reeltune.video.digests import require_recorded
from reeltune.video.load import load_clip
from reeltune.video.sampling import FrameSampling

Sent = Literal["file", "frames"]
FACTOR = 28
"""Frame sides are multiples of it, as for most of the models that are compared with."""
LARGEST_FILE = 64 * 2**20
OWN = ("start", "end", *KEYS)
"""What of a medium an endpoint cannot be told."""
NAMES = Names("the endpoint", "--endpoint", "the model", "--endpoint-key-env", "rollout.timeout_s")


@dataclass(frozen=True)
class Drawing:
    """How answers are drawn: `count` of each sample, one greedy one by default."""

    count: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int | None = None
    """None: eval.max_new_tokens."""

    def words(self, seed: int) -> dict[str, Any]:
        """What a request says beside model, messages, temperature and length; nothing for a greedy one."""
        if self.temperature == 0:
            return {}
        cuts = ({"top_p": self.top_p} if self.top_p < 1 else {}) | ({"top_k": self.top_k} if self.top_k else {})
        return {"seed": seed, **cuts}


GREEDY = Drawing()


@dataclass
class Served:
    """Asks `endpoint` about samples, `concurrency` at a time. `put`: how a question is put if not as its task does."""

    endpoint: Endpoint
    video: VideoConfig
    frames: FrameCache
    mode: Mode
    system: str | None = None
    sends: Sent = "file"
    concurrency: int = 16
    put: Callable[[Sample], str] | None = None
    drawing: Drawing = GREEDY
    seed: int = 0

    def answers(self, samples: Sequence[Sample]) -> list[Answer | SampleError]:
        """One answer a sample, in order; SampleError in its place where the video cannot be used, or the endpoint gave
        no answer after all tries. NoServers where nothing listens there."""
        found = self.draw(samples)
        return [each if isinstance(each, SampleError) else Answer(each[0].text, each[0].truncated) for each in found]

    def draw(self, samples: Sequence[Sample]) -> list[list[Reply] | SampleError]:
        """As many replies a sample as `drawing` says, in order; else as `answers`."""
        with ThreadPoolExecutor(self.concurrency) as threads:
            return list(threads.map(self._one, samples))

    def _one(self, sample: Sample) -> list[Reply] | SampleError:
        try:
            messages = self.messages(sample)
        except SampleError as error:
            return error
        try:
            return [self._reply(sample, messages, number) for number in range(self.drawing.count)]
        except Unanswered as error:
            if error.refused:
                raise NoServers(f"--endpoint: {error}") from None
            return SampleError(f"id {sample.id!r}: the endpoint gave no answer: {error}")

    def _reply(self, sample: Sample, messages: list[dict[str, Any]], number: int) -> Reply:
        # Vendors take seeds of 31 bits.
        seed = derive_seed(self.seed, "endpoint", sample.id, number) % 2**31
        return self.endpoint.complete(messages, on_retry=lambda: None, words=self.drawing.words(seed))

    def messages(self, sample: Sample) -> list[dict[str, Any]]:
        """The conversation as our own models are asked it: system message, turns, question. SampleError for a video
        that cannot be used, and for media that an endpoint is not sent."""
        text = self.put(sample) if self.put else get_task(sample.task).prompt(sample, self.mode)
        require_recorded(sample)
        system = sample.system or self.system
        found: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
        said = [(turn.role, turn.text, turn.media) for turn in sample.turns] + [("user", text, sample.own_media)]
        for role, words, media in said:
            shown = [part for medium in media for part in self._shown(sample, medium)]
            found.append({"role": role, "content": [*shown, {"type": "text", "text": words}] if shown else words})
        return found

    def _shown(self, sample: Sample, medium: Medium) -> list[dict[str, Any]]:
        own = [key for key in OWN if getattr(medium, key) is not None]
        if medium.kind == "frames" or own:
            told = f"with {', '.join(own)} of its own" if own else "a list of frames"
            raise SampleError(
                f"id {sample.id!r}: an endpoint accepts only complete videos and images; {medium} is {told}"
            )
        [path] = medium.files(sample.folder)
        if medium.kind == "image":
            return [{"type": "image_url", "image_url": {"url": _file_url(path, "image")}}]
        if self.sends == "file":
            return [{"type": "video_url", "video_url": {"url": _file_url(path, "video")}}]
        sampling = FrameSampling(
            fps=self.video.fps,
            min_frames=self.video.min_frames,
            max_frames=self.video.max_frames,
            frame_multiple=1,
            by=self.video.sampling,
        )
        budget = pixel_budget(self.video)
        clip = load_clip(path, sampling, budget, FACTOR, self.frames, timeout_s=self.video.timeout_s)
        return list(frames_with_times(clip))


def frames_with_times(clip: Clip) -> list[dict[str, Any]]:
    """Every frame as a JPEG, after its time in seconds as text."""
    found: list[dict[str, Any]] = []
    for frame, seconds in zip(clip.frames, clip.timestamps, strict=True):
        picture = base64.b64encode(jpeg(frame)).decode()
        found.append({"type": "text", "text": f"<{seconds:.1f} seconds>"})
        found.append({"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{picture}"}})
    return found


def jpeg(frame: np.ndarray) -> bytes:
    """A uint8 frame [H, W, 3] as a JPEG of nearly the best quality."""
    codec: Any = av.CodecContext.create("mjpeg", "w")
    codec.height, codec.width = frame.shape[:2]
    codec.pix_fmt, codec.time_base = "yuvj420p", Fraction(1, 1)
    codec.options = {"qmin": "2", "qmax": "2"}
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24").reformat(format="yuvj420p")
    return b"".join(bytes(packet) for packet in [*codec.encode(picture), *codec.encode(None)])


def _file_url(path: Path, kind: Literal["video", "image"]) -> str:
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise VideoError(
                f"{path}: {size / 2**20:.0f} MiB exceed the limit of {LARGEST_FILE // 2**20} MiB for a file; use "
                "--send frames"
            )
        data = base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise VideoError(f"{path}: {error.strerror}. Check the sample's `video` path.") from error
    known = {"jpg": "jpeg", "tif": "tiff", "": "mp4"}
    suffix = path.suffix.lstrip(".").lower()
    return f"data:{kind}/{known.get(suffix, suffix)};base64,{data}"


def served(
    url: str,
    model: str,
    recipe: Recipe,
    *,
    sends: Sent = "file",
    key_env: str | None = None,
    put: Callable[[Sample], str] | None = None,
    drawing: Drawing = GREEDY,
) -> Served:
    """What asks the model `model` at `url`, with the recipe's video, system prompt and seed.

    InputError for an address or a key that is none.
    """
    key = os.environ.get(key_env, "").strip() if key_env else None
    if key == "":
        raise InputError(
            "--endpoint-key-env: the environment variable of this name is missing or empty; give the name, such "
            "as OPENAI_API_KEY, not the key itself"
        )
    settings = ModelSettings(model, drawing.temperature, drawing.max_new_tokens or recipe.eval.max_new_tokens)
    endpoint = Endpoint(url, settings, key=key, timeout_s=recipe.rollout.timeout_s, names=NAMES)
    frames = FrameCache(recipe.frame_cache, int(recipe.video.cache_gib * 2**30))
    return Served(
        endpoint,
        recipe.video,
        frames,
        recipe.data.mode,
        recipe.data.system,
        sends,
        put=put,
        drawing=drawing,
        seed=recipe.seed,
    )
