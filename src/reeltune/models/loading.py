"""Weights from a directory: all of them, of the right shape, whole and finite, or one message that says what is not."""

import importlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import is_flash_attn_2_available
from transformers.utils import logging as transformers_logging

from reeltune.errors import InputError
from reeltune.hub import is_hub_name, local_model

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
ADAPTER_SETTINGS = "adapter_config.json"


def is_adapter(path: Path) -> bool:
    """Whether a folder holds an adapter in peft's format, and no model."""
    return (path / ADAPTER_SETTINGS).is_file() and not (path / "config.json").is_file()


def base_directory(path: Path) -> Path:
    """Where the configuration and the tokenizer of a model stand: an adapter's are its base's, by path or hub name."""
    if not is_adapter(path):
        return path
    try:
        settings = json.loads((path / ADAPTER_SETTINGS).read_text(encoding="utf-8"))
        name, revision = settings["base_model_name_or_path"], settings.get("revision")
        return local_model(f"{name}@{revision}" if revision and is_hub_name(name) else name)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path / ADAPTER_SETTINGS}: it does not name a base model ({error}); copy the folder again"
        ) from error


def require_model(path: Path) -> None:
    """InputError unless `path` is the folder of a model or of an adapter; its weights are not looked at."""
    if not is_adapter(path) and not (path / "config.json").is_file():
        raise InputError(_no_model(path))


def check_directory(path: Path) -> None:
    """InputError unless `path` is a model directory."""
    if not (path / "config.json").is_file():
        raise InputError(_no_model(path))
    if not any((path / name).is_file() for name in (WHOLE, INDEX)):
        raise InputError(
            f"{path} has a config.json but no *.safetensors weights ({WHOLE} or {INDEX}); {_other_weights(path)}"
        )


def check_weight_files(path: Path) -> None:
    """InputError unless all weight files of a model directory are there and whole."""
    files = sorted(path.glob("*.safetensors"))
    if (path / INDEX).is_file():
        try:
            wanted = set(json.loads((path / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path / INDEX}: not a weight index ({error}); copy the directory again") from error
        if lost := sorted(wanted - {file.name for file in files}):
            raise InputError(f"{path}: {INDEX} lists {lost}, which are missing; copy them")
        files = [path / name for name in sorted(wanted)]
    for file in files:
        try:
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"{file}: damaged or cut off at {file.stat().st_size} bytes ({error}); copy or download it again"
            ) from error


def pickles(path: Path) -> list[str]:
    """The files of a folder that torch's pickles are by their names: opening one can run any code."""
    return sorted(file.name for pattern in PICKLES for file in path.glob(pattern))


def _other_weights(path: Path) -> str:
    """What is there in place of safetensors, and what to do."""
    if found := pickles(path):
        return (
            f"it has {_some(found, 3)}. Pickled weights can run code when they are opened, so they never are; if you "
            f"trust them: AutoModelForImageTextToText.from_pretrained('{path}').save_pretrained(DIRECTORY)"
        )
    if others := sorted(file.name for file in path.glob("*.safetensors")):
        return f"it has {_some(others, 3)}. Rename them, or save the model again with save_pretrained"
    return "download them, or save them with save_pretrained (pickled weights, *.bin, are never downloaded)"


def _no_model(path: Path) -> str:
    if is_adapter(path):
        return f"{path} is an adapter, not a model: give its base, or merge it first: reeltune merge {path} -o DIR"
    what = "has no config.json" if path.is_dir() else "is not a directory" if path.exists() else "does not exist"
    return f"model.path must be a Hugging Face model directory with a config.json; {str(path)!r} {what}"


def check_attention(attention: str) -> None:
    """InputError for FlashAttention 2 where its package is missing."""
    if attention == "flash_attention_2" and not is_flash_attn_2_available():
        raise InputError(
            "model.attention=flash_attention_2 needs a GPU and a working package flash-attn: pip install "
            "flash-attn --no-build-isolation, or set model.attention=sdpa"
        )


def require_bitsandbytes(setting: str) -> Any:
    """The library of 4-bit weights and 8-bit moments. InputError where it is missing; `setting` is what needs it."""
    try:
        return importlib.import_module("bitsandbytes")
    except ImportError as error:
        raise InputError(
            f"{setting} needs the package bitsandbytes, which does not work here ({error}): pip install "
            f"'reeltune[quantize]', or remove {setting.partition('=')[0]}"
        ) from None


def nf4(dtype: torch.dtype, whole: Sequence[str]) -> Any:
    """How transformers is told to load linear layers in 4 bits (QLoRA, arXiv 2305.14314), those of `whole` not."""
    require_bitsandbytes("adapter.quantize=nf4")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=list(whole),
    )


def compute_as_asked(model: Any) -> None:
    """Let 4-bit layers compute in their own dtype on a CPU too.

    Where it has bfloat16 instructions bitsandbytes (0.50) packs weights anew for evaluation and rounds what a layer is
    given to bfloat16: rollout and update would be two models, and layers narrower than 64 fail.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def open_config(path: Path) -> Any:
    """Its config as transformers reads it; code that a directory brings along is never run."""
    try:
        return AutoConfig.from_pretrained(path, trust_remote_code=False)
    except Exception as error:  # the class of each type checks its values in its own way
        raise InputError(f"{path}/config.json cannot be read: {_first_line(error)}") from error


def raw_config(path: Path) -> dict[str, Any]:
    """config.json as it is written, whether or not transformers knows its type."""
    try:
        found = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}/config.json cannot be read: {_first_line(error)}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}/config.json must be a JSON object; got {type(found).__name__}")
    return found


def open_tokenizer(path: Path) -> Any:
    try:
        return AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    except Exception as error:  # tokenizers raises bare Exception for a damaged file
        raise InputError(
            f"{path}: its tokenizer cannot be loaded ({_first_line(error)}); copy tokenizer.json and "
            "tokenizer_config.json from the base model"
        ) from error


def open_weights(path: Path, *, ignore: re.Pattern[str] | None = None, **options: Any) -> nn.Module:
    """`from_pretrained`, with every parameter from the file; unexpected names that `ignore` finds are let be.

    Raises InputError that names what is missing, unexpected or of another shape. Tied heads are not missing.
    """
    before = transformers_logging.get_verbosity()
    # The report would come as warnings; it is read and raised here instead.
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    model: nn.Module
    try:
        model, report = AutoModelForImageTextToText.from_pretrained(
            path, output_loading_info=True, ignore_mismatched_sizes=True, use_safetensors=True, **options
        )
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: the weights cannot be loaded: {_first_line(error)}") from error
    finally:
        transformers_logging.set_verbosity(before)
    _refuse_gaps(path, report, ignore)
    return model


def skeleton(config: Any, **options: Any) -> Any:
    """The model that `config` names, without any memory for weights: its modules and their names."""
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(config, **options)


def without_weights(config: Any, **options: Any) -> nn.Module:
    """The model that `config` names, its weights allocated and never written: they come from another process.

    Memory that is never written is never taken on Linux.
    """
    model = skeleton(config, **options)
    empty: nn.Module = model.to_empty(device="cpu").eval()
    model.tie_weights()
    return empty


def _refuse_gaps(path: Path, report: dict[str, Any], ignore: re.Pattern[str] | None) -> None:
    missing = sorted(report["missing_keys"])
    unexpected = sorted(key for key in report["unexpected_keys"] if not (ignore and ignore.search(key)))
    shapes = sorted(
        f"{name} ({tuple(stored)} in the file, {tuple(wanted)} by config.json)"
        for name, stored, wanted in report["mismatched_keys"]
    )
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
    faults = [f"{len(names)} {kind}: {_some(names)}" for kind, names in kinds if names]
    if faults:
        raise InputError(
            f"{path}: the weights do not match config.json; {'; '.join(faults)}. The model would run with random "
            "weights: save or download the directory again"
        )


def refuse_not_finite(path: Path, model: nn.Module) -> None:
    """InputError that names the weights holding NaN or infinity."""
    with torch.no_grad():
        bad = [name for name, each in model.named_parameters() if not bool(torch.isfinite(each).all())]
    if bad:
        raise InputError(
            f"{path}: {len(bad)} weights hold NaN or infinity: {_some(bad)}. The run had diverged, or the file is "
            "damaged; use an earlier checkpoint"
        )


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    # A first line that only announces is nothing without the next one.
    text = " ".join(map(str.strip, lines[: 2 if lines and lines[0].endswith(":") else 1]))
    return f"{type(error).__name__}: {text}"[:400]
