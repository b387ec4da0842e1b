"""What makes two machines compute different last digits: recorded in the MLflow run, for results hang on none of it."""

import platform
from importlib.metadata import version
from typing import Any

import torch
from threadpoolctl import threadpool_info

# Those that compute, decode or write what a stage puts out.
LIBRARIES = ("matplotlib", "numpy", "onnx", "onnxruntime", "onnxscript", "pillow", "pymupdf", "scikit-learn", "scipy", "torch")


def describe_machine(threads: int) -> dict[str, Any]:
    """Processor, instruction set, threads and library versions; nothing that names the machine itself."""
    return {
        "architecture": platform.machine(),
        "system": platform.system(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "blas": sorted({library["architecture"] for library in threadpool_info() if "architecture" in library}),
        "threads": threads,
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
