"""`reeltune merge`: an adapter and its base as one plain model. Imports nothing heavy before it runs."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Merge a LoRA adapter into its base model and write a plain Hugging Face directory, which transformers and "
        "vLLM open. The base's own precision is kept; a base that was quantized for training is merged unquantized."
    )
    parser.add_argument("adapter", type=Path, help="an adapter's folder, such as RUN/checkpoints/step-000100/adapter")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="the folder to write; it must not exist"
    )
    parser.add_argument("--base", type=Path, help="directory of the base model (default: as in adapter_config.json)")
    parser.add_argument("--family", help="the family, like model.family, if the base uses your own")


def run(args: argparse.Namespace) -> int:
    from reeltune.config.answering import recipe_file
    from reeltune.errors import InputError
    from reeltune.files import whole_folder

    # Before peft and torch are imported, which takes seconds.
    if not (args.adapter / "adapter_config.json").is_file():
        raise InputError(f"{args.adapter} is not an adapter's folder: it has no adapter_config.json")
    if (args.adapter / "config.json").is_file():
        raise InputError(f"{args.adapter} is a complete model (it has a config.json): there is nothing to merge")
    if args.output.exists():
        raise InputError(f"-o {args.output} already exists; give the name of a new folder")
    from reeltune.models.adapter import merge
    from reeltune.models.adapter_folder import open_folder, put_in_place
    from reeltune.models.loading import open_config
    from reeltune.models.policy import load_policy

    folder = open_folder(args.adapter, args.base)
    dtype = getattr(open_config(folder.base), "dtype", None)
    options = {} if dtype is None else {"dtype": dtype}
    routed = folder.mixture_of_depths
    policy = load_policy(folder.base, mixture_of_depths=routed, family=args.family, self_check=False, **options)
    put_in_place(policy, folder)
    merge(policy)
    if own := recipe_file(None, args.adapter):
        policy.side_files[own.name] = own.read_bytes()  # how it was trained to be asked
    with whole_folder(args.output) as directory:
        policy.save(directory)
    print(args.output)
    return 0
