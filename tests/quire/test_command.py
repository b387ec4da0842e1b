import os
import sys
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from quire.command import BadInput, call, cores, machine, read_parameters, run

seen: list[object] = []


def example(source: Path, *, share: Annotated[float, Field(le=1)], names: list[str]) -> None:
    """A stage."""
    seen.append((source, share, names))


def test_a_stage_gets_its_paths_and_parameters() -> None:
    call(example, [Path("a")], {"share": 1, "names": ["x"]})
    assert seen == [(Path("a"), 1, ["x"])]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"share": 0.5}, "params.yaml: example.names is missing"),
        ({"share": 0.5, "names": [], "shar": 1}, "params.yaml: example.shar is unknown; known: share, names"),
        ({"share": "0.5", "names": []}, "params.yaml: example.share: Input should be a valid number, not '0.5'"),
        ({"share": 2.0, "names": []}, "params.yaml: example.share: Input should be less than or equal to 1, not 2.0"),
        ({"share": 0.5, "names": ["x", 3]}, "params.yaml: example.names.1: Input should be a valid string, not 3"),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput) as error:
        call(example, [Path("a")], parameters)
    assert str(error.value) == message


def test_parameters_are_read_as_dvc_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("example: {share: 1e-3}\n")
    assert read_parameters("example") == {"share": 0.001}
    with pytest.raises(BadInput, match="the block 'another' is missing"):
        read_parameters("another")
    Path("params.yaml").write_text("example: {share\n")
    with pytest.raises(BadInput, match=r"params.yaml: .* line 2"):
        read_parameters("example")


def test_the_environment_says_where_and_how(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DEVICE", "THREADS", "WORKERS", "CACHE"):
        monkeypatch.delenv(f"QUIRE_{name}", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    here = machine()
    assert (here.device, here.threads, here.workers, here.cache) == ("cpu", cores(), cores(), tmp_path / "quire")
    monkeypatch.setenv("QUIRE_DEVICE", "gpu")
    monkeypatch.setenv("QUIRE_THREADS", "3")
    monkeypatch.setenv("QUIRE_WORKERS", "")
    monkeypatch.setenv("QUIRE_CACHE", str(tmp_path / "elsewhere"))
    here = machine()
    assert (here.device, here.threads, here.workers, here.cache) == ("gpu", 3, cores(), tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("QUIRE_DEVICE", "tpu", "QUIRE_DEVICE: Input should be 'cpu' or 'gpu', not 'tpu'"),
        ("QUIRE_THREADS", "0", "QUIRE_THREADS: Input should be greater than or equal to 1, not '0'"),
        (
            "QUIRE_WORKERS",
            "many",
            "QUIRE_WORKERS: Input should be a valid integer, unable to parse string as an integer, not 'many'",
        ),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput) as error:
        machine()
    assert str(error.value) == message


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says which cores a process may use")
def test_cores_are_those_that_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("error", "said"), [(MemoryError(), "out of memory"), (OSError(28, "No space left on device"), "No space left")]
)
def test_an_error_of_the_machine_ends_a_stage_with_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception, said: str) -> None:
    def stage() -> None:
        raise error

    monkeypatch.setattr("sys.argv", ["stage"])
    monkeypatch.setattr("quire.command.read_parameters", lambda _: {})
    with pytest.raises(SystemExit, match=f"^stage: error: .*{said}"):
        run(stage)
