"""The stages that compute, run again as other processors would run them, and their results held against those that lie here.

OpenBLAS, PyTorch, oneDNN and NumPy choose kernels by the processor; the environment makes them choose others. qemu-user emulates
a processor, which is the truth, and takes as many minutes as the environment takes seconds.
"""

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quire.command import BadInput
from quire.provenance.lock import made_lock
from quire.provenance.prove import run_checked

STAGES = ("train", "evaluate")
LINKED = ("data", "params.yaml", "quire", "stages")
WITHOUT_AVX512 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "NPY_DISABLE_CPU_FEATURES": "X86_V4"}
VARIANTS = {
    "Haswell": {"OPENBLAS_CORETYPE": "Haswell", "QUIRE_THREADS": "1", **WITHOUT_AVX512},
    "SkylakeX": {"OPENBLAS_CORETYPE": "SkylakeX", "QUIRE_THREADS": "2"},
    "Zen": {"OPENBLAS_CORETYPE": "Zen", "QUIRE_THREADS": "2", **WITHOUT_AVX512},
    "Sandybridge": {"OPENBLAS_CORETYPE": "Sandybridge", "QUIRE_THREADS": "1", "ATEN_CPU_CAPABILITY": "default"},
}


def elsewhere(root: Path, variant: str, emulated: bool = False) -> list[str]:
    """The outputs of train and evaluate that a variant, or a processor that qemu emulates, makes differently; from empty caches.

    Raises BadInput where the results are not here, and for a stage that fails.
    """
    lock = made_lock(root)
    with tempfile.TemporaryDirectory(prefix="quire-elsewhere-") as folder:
        made = Path(folder)
        for name in LINKED:
            (made / name).symlink_to(root.resolve() / name)
        for stage in STAGES:
            _run(made, str(lock[stage]["cmd"]), {} if emulated else VARIANTS[variant], variant if emulated else None)
        return [path for stage in STAGES for path in _files(root, lock[stage]) if not _equal(root / path, made / path)]


def _run(made: Path, command: str, variables: dict[str, str], processor: str | None) -> None:
    prefix = [_qemu(), "-cpu", processor] if processor else []
    python = shutil.which("python") or "python"
    environment = {name: value for name, value in os.environ.items() if name not in {"MLFLOW_TRACKING_URI", "PYTHONPATH"}}
    environment |= {"QUIRE_CACHE": str(made / "computed"), "QUIRE_DEVICE": "cpu", **variables}
    run_checked([*prefix, python, *shlex.split(command)[1:]], made, environment, command)


def _qemu() -> str:
    found = shutil.which("qemu-x86_64")
    if found is None:
        raise BadInput("qemu-x86_64 is not here: `apt-get install qemu-user` brings it")
    return found


def _files(root: Path, stage: dict[str, Any]) -> Iterator[str]:
    """The files that a stage wrote, those of its folders too."""
    for out in stage["outs"]:
        path = root / out["path"]
        found = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        yield from (str(each.relative_to(root)) for each in found)


def _equal(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()
