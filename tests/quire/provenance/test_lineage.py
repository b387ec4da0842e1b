"""dvc.yaml against the code: what a stage imports stands in its deps, what it takes stands in params.yaml."""

import ast
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from quire.provenance.lineage import hash_json, imported_files

DVC: dict[str, Any] = YAML(typ="safe").load(Path("dvc.yaml"))["stages"]
PARAMETERS: dict[str, Any] = YAML(typ="safe").load(Path("params.yaml"))


@pytest.mark.parametrize("stage", DVC)
def test_deps_name_every_module_that_the_stage_imports_and_the_lock_of_libraries(stage: str) -> None:
    imported = {str(path) for path in imported_files(f"stages.{stage}") if path.name != "__init__.py"}
    declared = {dep for dep in DVC[stage]["deps"] if dep.endswith(".py")}
    assert declared == imported
    assert "requirements.lock" in DVC[stage]["deps"]  # another version of a library may give another result


@pytest.mark.parametrize("stage", DVC)
def test_paths_in_the_command_are_deps_or_outputs(stage: str) -> None:
    paths = DVC[stage]["cmd"].split()[3:]
    outputs = [
        next(iter(out)) if isinstance(out, dict) else out
        for kind in ("outs", "metrics", "plots")
        for out in DVC[stage].get(kind, [])
    ]
    for path in paths:
        assert any(name == path or name.startswith(f"{path}/") for name in [*DVC[stage]["deps"], *outputs]), path


@pytest.mark.parametrize("stage", DVC)
def test_parameters_are_the_keywords_of_the_stage(stage: str) -> None:
    (function,) = (node for node in _syntax(stage).body if isinstance(node, ast.FunctionDef) and node.name == stage)
    assert set(PARAMETERS[stage]) == {argument.arg for argument in function.args.kwonlyargs}
    assert DVC[stage]["params"] == [stage]


def _syntax(stage: str) -> ast.Module:
    """Read, not imported: Lightning alone takes seconds."""
    return ast.parse(Path("stages", f"{stage}.py").read_text(encoding="utf-8"))


def test_a_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1}) != hash_json({"a": 1, "b": 3})
