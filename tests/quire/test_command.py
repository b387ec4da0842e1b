from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from quire.command import BadInput, call, read_parameters

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
