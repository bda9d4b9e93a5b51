"""`reeltune serve`: one vLLM server with what our rollouts need, checked, until Ctrl-C. Imports nothing heavy early."""

import argparse
import os
import signal
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Start a vLLM server for rollouts (rollout.servers), report when it is ready, and stop it with this "
        "command. It accepts new weights from anyone who can reach its port: bind it only to trusted networks."
    )
    parser.add_argument("model", help="a Hugging Face directory, an adapter's base, or toyworld:base")
    parser.add_argument("--python", default="python", help="Python of the environment with vLLM (default: python)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8100, help="port (default: 8100)")
    parser.add_argument(
        "--dtype",
        choices=("bfloat16", "float32"),
        default="bfloat16",
        help="data type of the weights (default: bfloat16)",
    )
    parser.add_argument("--tensor", type=int, default=1, metavar="N", help="GPUs of this server")
    parser.add_argument("--lora-rank", type=int, default=0, metavar="R", help="maximum rank of published adapters")
    parser.add_argument(
        "--max-model-len",
        type=int,
        metavar="TOKENS",
        help="maximum tokens of prompt and completion (default: the model's)",
    )
    parser.add_argument(
        "--ready", type=float, default=900, metavar="SECONDS", help="maximum seconds to start (default: 900)"
    )
    parser.add_argument(
        "--log", type=Path, help="log file of the server (default: reeltune-serve-PORT.log in the current folder)"
    )
    parser.add_argument(
        "--print", action="store_true", dest="show", help="print the command line without starting the server"
    )
    words = "everything after it: further arguments for vLLM"
    parser.add_argument("--vllm", nargs=argparse.REMAINDER, default=[], metavar="WORD", help=words)


def run(args: argparse.Namespace) -> int:
    from reeltune.config.recipe import ToyworldConfig
    from reeltune.data.sources import resolve_model
    from reeltune.http import Requests
    from reeltune.models.loading import check_directory
    from reeltune.rollout.launch import Process, Serving, require_python, write_plugin
    from reeltune.rollout.server import LARGEST_ANSWER, Server

    model = resolve_model(args.model, ToyworldConfig())
    check_directory(model)
    serving = Serving(
        model,
        host=args.host,
        port=args.port,
        dtype=args.dtype,
        tensor=args.tensor,
        lora_rank=args.lora_rank,
        max_model_len=args.max_model_len,
        python=args.python,
        options=args.vllm,
    )
    log = args.log or Path(f"reeltune-serve-{args.port}.log")
    plugin = write_plugin(Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "reeltune" / "vllm-plugin")
    if args.show:
        settings = [f"{name}={value}" for name, value in serving.environment(plugin).items()]
        print(" \\\n  ".join([*settings, *map(_quoted, serving.command())]))
        return 0
    require_python(args.python)
    # SIGTERM as Ctrl-C: the server must not outlive this command.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    process = Process(serving, log, plugin)
    process.require_free()
    process.start()
    try:
        process.wait(args.ready)
        server = Server(serving.url, Requests(LARGEST_ANSWER), timeout_s=60.0)
        rows = server.weight_sum()
        about = server.model()
        print(
            f"reeltune: ready at {serving.url}: vLLM {server.version()}, {about.get('max_model_len')} tokens, "
            f"{len(rows)} workers in {', '.join(rows[0]['dtypes'])}; log: {log}",
            file=sys.stderr,
            flush=True,
        )
        code = process.running.wait() if process.running else 0
        print(f"reeltune: the server exited with code {code}; see {log}", file=sys.stderr)
        return 1
    finally:
        process.stop()


def _quoted(word: str) -> str:
    import shlex

    return shlex.quote(word)
