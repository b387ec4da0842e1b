"""The command `quire`: its map, its examples, and errors of one line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

COMMANDS = (
    *(
        "add",
        "demo",
        "explain",
        "predict",
        "remove",
        "trace",
        "prove",
        "promote",
        "rollback",
        "drift",
        "cycle",
        "history",
        "doctor",
        "summary",
    ),
    *("labels push", "labels pull", "labels status", "store start", "store stop", "store push", "store pull"),
)
HEAVY = {"bentoml", "boto3", "dvc", "git", "matplotlib", "mlflow", "numpy", "onnx", "onnxruntime", "pymupdf", "scipy", "torch"}


def quire(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "quire", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_without_a_command_it_shows_the_map() -> None:
    shown = quire()
    assert shown.returncode == 2
    assert shown.stderr == quire("--help").stdout
    listed = re.findall(r"^  ([a-z]+)  ", shown.stderr.split("Commands:\n")[1], re.MULTILINE)
    assert set(listed) == {command.split()[0] for command in COMMANDS}
    assert "..." not in shown.stderr.split("Commands:\n")[1]  # each purpose fits its line


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(command: str) -> None:
    assert f"\n  Example: quire {command}" in quire(*command.split(), "--help").stdout


def test_the_map_is_shown_without_what_the_commands_need() -> None:
    code = "import sys, quire.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) & HEAVY == set()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("trade", 2, "quire: error: No such command 'trade'. Did you mean 'trace', 'store'?; `quire --help` says more\n"),
        ("trace", 2, "trace: error: Missing argument 'subject'; `quire trace --help` says more\n"),
        ("labels", 2, "labels: error: Missing command; `quire labels --help` says more\n"),
        (
            "labels push",
            2,
            "push: error: Missing option '--tool'. Choose from: ecotag, label-studio; `quire labels push --help` says more\n",
        ),
        ("explain nothing", 1, "explain: error: 'nothing' is neither a file nor the key of one in data/images\n"),
        ("drift", 2, "drift: error: name either a commit with --since, or the service's logs\n"),
        ("drift --since HEAD a.db", 2, "drift: error: name either a commit with --since, or the service's logs\n"),
        ("labels pull --tool ecotag", 1, "pull: error: ECOTAG_URL names no server\n"),
    ],
)
def test_an_error_is_one_line(words: str, status: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ECOTAG_URL", raising=False)
    failed = quire(*words.split())
    assert (failed.returncode, failed.stderr, failed.stdout) == (status, said, "")


def test_the_demo_is_not_drawn_into_data_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / "own.pdf").touch()
    failed = quire("demo", folder=tmp_path)
    assert (failed.returncode, failed.stderr) == (
        1,
        "demo: error: data/raw is not empty, and the demo would mix with what is there\n",
    )
    assert [path.name for path in (tmp_path / "data").rglob("*")] == ["raw", "own.pdf"]


def test_there_is_no_second_way() -> None:
    """`python -m` runs `quire`, the stages, and what make calls to build and measure."""
    rooms = [*ROOT.glob("quire/**/*.py"), *ROOT.glob("labelling/**/*.py"), *ROOT.glob("deploy/*/*.py"), ROOT / "deploy/share.py"]
    assert [str(path) for path in rooms if "__name__ ==" in path.read_text() or "argparse" in path.read_text()] == [
        str(ROOT / "quire/command.py")  # the stages' paths
    ]
