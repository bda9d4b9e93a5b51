"""Models by name: a directory here, or a repository of the Hugging Face Hub, downloaded once into the hub's own cache.

The hub's client does all of it: HF_HOME says where, HF_TOKEN who, HF_HUB_OFFLINE=1 that no network is asked.
"""

import re
from functools import cache
from pathlib import Path

from reeltune.errors import InputError

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
# Configuration, tokenizer, processor, weights; no pickles, no other frameworks' weights.
FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]


def is_hub_name(spec: str) -> bool:
    """Whether `spec` has the form of a hub's name, and no file or directory here has it."""
    return not Path(spec).exists() and HUB_NAME.fullmatch(spec.partition("@")[0]) is not None


def local_model(spec: str, *, weights: bool = True) -> Path:
    """The directory of a model: `spec` itself, or the hub's `owner/name`, at a revision with `owner/name@revision`.

    Without `weights` nothing but the small files is downloaded. A directory that exists goes before a name. Raises
    InputError where the hub has none, or cannot be asked.
    """
    return _download(spec, weights) if is_hub_name(spec) else Path(spec)


@cache  # one process asks the hub once
def _download(spec: str, weights: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = spec.partition("@")
    wanted = [each for each in FILES if weights or "safetensors" not in each]
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=wanted))
    except GatedRepoError as error:
        raise InputError(
            f"{spec}: the hub gives this model to those who accepted its terms; accept them on its page, then run "
            "`hf auth login` or set HF_TOKEN"
        ) from error
    except LocalEntryNotFoundError as error:
        raise InputError(
            f"there is no directory {spec!r} here, it is not in the hub's cache, and the hub cannot be asked (offline, "
            "or no connection). Check the path, or download it where there is a network: "
            f"hf download {name}{f' --revision {revision}' if revision else ''}"
        ) from error
    except (HfHubHTTPError, HFValidationError) as error:
        raise InputError(
            f"there is no directory {spec!r} here, and the Hugging Face Hub gives no model of that name and revision: "
            f"{str(error).strip().splitlines()[0]}. Check the spelling"
        ) from error


def revision_of(directory: Path) -> str | None:
    """The commit that a directory of the hub's cache holds; None for any other directory."""
    return directory.name if directory.parent.name == "snapshots" else None
