"""Starting vLLM servers: the command line that our requests need, and servers that live and end with a run."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from reeltune.errors import InputError
from reeltune.files import make_folder, write_text
from reeltune.http import Requests
from reeltune.rollout.server import LARGEST_ANSWER, Server

NAME = "reeltune"
"""What the model is called in requests, whatever its folder is."""
PLUGIN = "reeltune_vllm"
LAST_LINES = 12
MOST_RESTARTS = 5
"""Of one server in one run; a server that dies more often has another fault than one request."""


@dataclass(frozen=True)
class Serving:
    """What one server is to be. `lora_rank` 0: no adapter is published to it."""

    model: Path
    host: str = "127.0.0.1"
    port: int = 8100
    dtype: str = "bfloat16"
    tensor: int = 1
    lora_rank: int = 0
    max_model_len: int | None = None
    python: str = "python"
    options: Sequence[str] = ()

    @property
    def url(self) -> str:
        return f"http://{'127.0.0.1' if self.host == '0.0.0.0' else self.host}:{self.port}"

    def command(self) -> list[str]:
        """vLLM's command line. Its plain Python module: its script looks for a distribution of another name on CPUs."""
        words = [self.python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(self.model.absolute())]
        words += ["--served-model-name", NAME, "--host", self.host, "--port", str(self.port), "--dtype", self.dtype]
        words += ["--tensor-parallel-size", str(self.tensor), "--generation-config", "vllm"]
        # Log-probs of the tempered distribution that was sampled from; features in place of pixels; our own rendering.
        words += ["--logprobs-mode", "processed_logprobs", "--enable-mm-embeds", "--trust-request-chat-template"]
        # Frames are normalized by the video processor's own numbers; the tower's kernel takes the image processor's.
        words += ["--trust-request-mm-kwargs", "--no-mm-device-do-normalize"]
        words += ["--limit-mm-per-prompt", '{"video": 1, "image": 0}']
        words += ["--worker-extension-cls", f"{PLUGIN}.Worker"]
        if self.lora_rank:
            words += ["--enable-lora", "--max-lora-rank", str(max(8, self.lora_rank)), "--max-loras", "1"]
        if self.max_model_len:
            words += ["--max-model-len", str(self.max_model_len)]
        if not torch.cuda.is_available():
            words += ["--enforce-eager", "--block-size", "32"]
        return [*words, *self.options]

    def environment(self, plugin: Path, gpus: Sequence[int] = ()) -> dict[str, str]:
        """Development mode, which has the calls that change weights: only for networks that are trusted."""
        found = {"VLLM_SERVER_DEV_MODE": "1", "VLLM_NO_USAGE_STATS": "1", "PYTHONPATH": str(plugin.absolute())}
        # A run that is killed cannot end its servers: the plugin does, when this process is gone.
        found["REELTUNE_OWNER"] = str(os.getpid())
        if self.lora_rank:
            found["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "1"
        if gpus:
            found["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus))
        if not torch.cuda.is_available():
            found |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
        return found


def write_plugin(folder: Path) -> Path:
    """A folder that, in PYTHONPATH, gives vLLM's environment our plugin."""
    source = Path(__file__).with_name("vllm_plugin.py").read_text(encoding="utf-8")
    write_text(folder / f"{PLUGIN}.py", source)
    about = folder / f"{PLUGIN}-1.dist-info"
    write_text(about / "METADATA", f"Metadata-Version: 2.1\nName: {PLUGIN}\nVersion: 1\n")
    write_text(about / "entry_points.txt", f"[vllm.general_plugins]\nreeltune = {PLUGIN}:register\n")
    return folder


def require_python(python: str) -> None:
    """InputError where there is no such program; whether it has vLLM is found out by starting it."""
    if shutil.which(python) is None:
        raise InputError(
            f"rollout.launch.python={python!r}: no such program; give the Python of an environment with vLLM "
            "(docs/rollouts.md), such as /path/to/venv/bin/python"
        )


@dataclass
class Process:
    """One server that this run started. Its words go to `log`."""

    serving: Serving
    log: Path
    plugin: Path
    gpus: Sequence[int] = ()
    restarts: int = 0
    running: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def require_free(self) -> None:
        """InputError where somebody listens at its port already: what answers there would be taken for it."""
        try:
            socket.create_connection(("127.0.0.1", self.serving.port), timeout=1.0).close()
        except OSError:
            return
        raise InputError(
            f"port {self.serving.port} is in use: something is listening at {self.serving.url}, perhaps a server "
            "of an earlier run; stop it, or use another port (rollout.launch.port, reeltune serve --port)"
        )

    def start(self) -> None:
        make_folder(self.log.parent)
        inherited: Mapping[str, str] = {k: v for k, v in os.environ.items() if k not in LAUNCHER}
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                self.serving.command(),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**inherited, **self.serving.environment(self.plugin, self.gpus)},
                start_new_session=True,
            )

    def wait(self, timeout_s: float) -> None:
        """Until it answers. InputError with its last words where it ends, or its time is up."""
        server = Server(self.serving.url, Requests(LARGEST_ANSWER), timeout_s=timeout_s)
        until = time.monotonic() + timeout_s
        while not server.lives():
            if not self.lives:
                code = self.running.returncode if self.running else None
                raise InputError(f"the server {self.serving.url} exited with code {code}; {self._last_words()}")
            if time.monotonic() > until:
                raise InputError(
                    f"the server {self.serving.url} was not ready within rollout.launch.ready_s={timeout_s:g}; "
                    f"{self._last_words()}"
                )
            time.sleep(0.2)

    @property
    def lives(self) -> bool:
        return self.running is not None and self.running.poll() is None

    def stop(self) -> None:
        """It and all that it started."""
        if self.running is None:
            return
        for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
            try:
                os.killpg(self.running.pid, number)
            except ProcessLookupError:
                break
            try:
                self.running.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        self.running = None

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
        words = f"last lines of {self.log}:\n" + "\n".join(f"  {line[:300]}" for line in lines)
        if not any("No module named 'vllm'" in line for line in lines):
            return words
        return (
            f"{words}\nvLLM is not installed for {self.serving.python}; name the Python of an environment that has it "
            "(--python, rollout.launch.python): docs/rollouts.md"
        )


LAUNCHER = frozenset(
    {"RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "GROUP_RANK", "PYTHONPATH"}
)
"""What torchrun tells our processes; a server that heard it would wait for processes of its own."""


@dataclass
class Fleet:
    """The servers of one run. `tend` starts again those that ended."""

    processes: Sequence[Process]

    def start(self, timeout_s: float) -> None:
        for each in self.processes:
            each.require_free()
        for each in self.processes:
            each.start()
        for each in self.processes:
            each.wait(timeout_s)

    def tend(self) -> None:
        for each in self.processes:
            if not each.lives and each.restarts < MOST_RESTARTS:
                # What its workers hold of the GPU must go first.
                each.stop()
                each.restarts += 1
                each.start()

    def stop(self) -> None:
        for each in self.processes:
            each.stop()
