"""What a vLLM server of ours can do beyond a plain one. It runs in vLLM's environment, which has no Reeltune: nothing
of it is imported here. `reeltune serve` puts this file in vLLM's way, as a plugin and as a worker extension.

- `Worker`: new weights, all of them, and one number for those that a worker holds, to be compared with the learner's.
- exact positions: features and frames may bring the prompt's M-RoPE positions along. vLLM 0.32 computes those of
  Qwen2-VL and Qwen2.5-VL from one number of seconds per patch, which it drops where features are sent, and which a clip
  of a variable frame rate does not have.
- the loader `reeltune`: a video given as {"frames": FILE} is read from our frame cache on a disk that both see.
"""

import base64
import hashlib
import io
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

MAGIC, DIGEST_BYTES = b"reelclip", 32
POSITIONS = "reeltune_positions"
OWNER_S = 1.0


class Worker:
    """vLLM's worker takes on these methods; `/collective_rpc` calls them."""

    model_runner: Any
    reload_weights: Any

    def reeltune_load(self, weights_path: str) -> None:
        """All weights anew from a folder.

        On a CPU vLLM 0.32 keeps a packed copy of an output layer that is tied to the embedding, and renews only the
        embedding: without the second half the head stays the old one, which the log-probs tell by 1e-4 a step.
        """
        from vllm.model_executor.layers.utils import dispatch_cpu_unquantized_gemm
        from vllm.platforms import current_platform

        self.reload_weights(weights_path=weights_path)
        if not current_platform.is_cpu():
            return
        for layer in self.model_runner.get_model().modules():
            if hasattr(layer, "cpu_linear") and layer.weight.numel():
                dispatch_cpu_unquantized_gemm(layer, remove_weight=False)

    def reeltune_weight_sum(self) -> dict[str, Any]:
        """The sum of all parameters' bits, read as integers, modulo 2^64.

        However rows are fused, split or padded with zeros: the sum is that of the plain model in this dtype.
        """
        import torch

        total, elements, dtypes = 0, 0, set()
        for parameter in self.model_runner.get_model().parameters():
            bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32}[parameter.element_size()]
            total += int(parameter.detach().contiguous().view(bits).sum(dtype=torch.int64))
            elements += parameter.numel()
            dtypes.add(str(parameter.dtype).removeprefix("torch."))
        return {"sum": str(total % 2**64), "elements": elements, "dtypes": sorted(dtypes)}


def register() -> None:
    """vLLM calls it in each of its processes."""
    if owner := os.environ.get("REELTUNE_OWNER"):
        threading.Thread(target=_end_with, args=(int(owner),), daemon=True).start()
    _take_positions()
    _register_loader()


def _end_with(owner: int) -> None:
    """End this process when the one that started the server is gone, however that ended."""
    while True:
        time.sleep(OWNER_S)
        try:
            os.kill(owner, 0)
        except ProcessLookupError:
            os._exit(1)


def _take_positions() -> None:
    from vllm.model_executor.models import qwen2_vl
    from vllm.model_executor.models.qwen2_5_vl import Qwen2_5_VLForConditionalGeneration
    from vllm.multimodal.inputs import MultiModalFieldConfig

    plain_factory = qwen2_vl._create_qwen2vl_field_factory

    def factory(merge: int) -> Any:
        plain = plain_factory(merge)

        def fields(inputs: Any) -> Any:
            found = dict(plain(inputs))
            if POSITIONS in inputs:
                found[POSITIONS] = MultiModalFieldConfig.batched("video", keep_on_cpu=True)
            return found

        return fields

    qwen2_vl._create_qwen2vl_field_factory = factory
    qwen2_vl.Qwen2VLMultiModalProcessor._get_hf_mm_inputs = _positions_apart
    for model in (qwen2_vl.Qwen2VLForConditionalGeneration, Qwen2_5_VLForConditionalGeneration):
        model.get_mrope_input_positions = _with_ours(model.get_mrope_input_positions)


def _positions_apart(self: Any, mm_items: Any, hf_kwargs: Any) -> Any:
    """What goes to transformers' processor, which knows nothing of positions: they pass it by."""
    from vllm.multimodal.processing import BaseMultiModalProcessor

    found = BaseMultiModalProcessor._get_hf_mm_inputs(self, mm_items, hf_kwargs)
    videos = found.hf_data.get("videos") or []
    if any(isinstance(video, tuple) and POSITIONS in video[1] for video in videos):
        found.passthrough_data[POSITIONS] = [about[POSITIONS] for _, about in videos]
        plain = [{name: about[name] for name in about if name != POSITIONS} for _, about in videos]
        found.hf_data["videos"] = [(frames, about) for (frames, _), about in zip(videos, plain, strict=True)]
    return found


def _with_ours(plain: Any) -> Any:
    def positions(self: Any, input_tokens: Any, mm_features: Any) -> Any:
        for feature in mm_features:
            if feature.data is not None and POSITIONS in feature.data:
                ours = feature.data[POSITIONS].data
                if ours.shape != (3, len(input_tokens)):
                    raise ValueError(f"positions {tuple(ours.shape)} for {len(input_tokens)} tokens")
                return ours, int(ours.max()) + 1 - len(input_tokens)
        return plain(self, input_tokens, mm_features)

    return positions


def _register_loader() -> None:
    from vllm.multimodal.video import VIDEO_LOADER_REGISTRY, VideoLoader

    class Frames(VideoLoader):  # type: ignore[misc, unused-ignore]
        @classmethod
        def load_bytes(cls, data: bytes, **kwargs: Any) -> Any:
            import torch

            told = json.loads(data)
            frames, about = read_frames(Path(told["frames"]))
            if POSITIONS in told:
                about[POSITIONS] = torch.load(io.BytesIO(base64.b64decode(told[POSITIONS])), weights_only=True)
            return frames, about

    VIDEO_LOADER_REGISTRY.register("reeltune")(Frames)


def read_frames(path: Path) -> tuple[Any, dict[str, Any]]:
    """Frames [T, H, W, 3] of an entry of the frame cache, and what vLLM must know of them: their places at the clip's
    mean rate, whole or not, so that its arithmetic gives the clip's own times back. ValueError for a damaged entry."""
    from safetensors.numpy import load

    blob = path.read_bytes()
    body = blob[len(MAGIC) + DIGEST_BYTES :]
    digest = hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest()
    if not blob.startswith(MAGIC) or blob[len(MAGIC) : len(MAGIC) + DIGEST_BYTES] != digest:
        raise ValueError(f"{path}: a damaged entry of the frame cache")
    arrays = load(body)
    times, duration = [float(each) for each in arrays["timestamps"]], float(arrays["duration"][0])
    rate = len(times) / duration
    return arrays["frames"].copy(), {
        "total_num_frames": len(times),
        "fps": rate,
        "duration": duration,
        "video_backend": "reeltune",
        "frames_indices": [each * rate for each in times],
        "do_sample_frames": False,
    }
