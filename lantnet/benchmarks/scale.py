"""Memory and time of a large generated GeoTIFF pair, detected by the command in a process of its own.

python lantnet/benchmarks/scale.py [--side 10000] [--folder DIR]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run_scale(side: int, folder: Path) -> None:
    """Generate a pair, detect in a process of its own, and print its memory and time."""
    command = [sys.executable, "-m", "lantnet"]
    names = [folder / name for name in ("before.tif", "after.tif", "truth.tif")]
    if not all(name.exists() for name in names):
        options = ["--size", str(side), "--density", "0.03", "--seed", "1", "--quiet"]
        subprocess.run([*command, "simulate", "-o", str(folder), *options], check=True)
    out = folder / f"result_{side}"
    start, earlier = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, "detect", *map(str, names[:2]), "-o", str(out), "--quiet"], check=True)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall, processor = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
    processor -= earlier.ru_utime + earlier.ru_stime
    print(f"{side} x {side}: {wall:.0f} s wall, {processor:.0f} s processor, peak {usage.ru_maxrss / 1024:.0f} MB")
    print(json.dumps(json.loads((out / "report.json").read_text())["seconds"]))
    subprocess.run([*command, "evaluate", str(out / "mask.tif"), str(names[2])], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=10_000, help="of the generated scene, pixels")
    parser.add_argument("--folder", type=Path, help="where the generated scene is kept (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        run_scale(options.side, options.folder or Path(temporary))


if __name__ == "__main__":
    main()
