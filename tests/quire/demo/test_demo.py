import shutil
import subprocess
from pathlib import Path

import pytest

from quire.command import BadInput
from quire.demo import demo as command
from quire.items.dvc import dvc

DRAWN = {Path("raw/a.pdf"): b"drawn", Path("annotations/a.json"): b"{}", Path("challenge/cat/0.jpg"): b"image"}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of an empty project, and a demo of three files."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert dvc("init", "--quiet", project=tmp_path).returncode == 0
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "files", DRAWN.items)
    return Path("data")


def held(data: Path) -> dict[Path, bytes]:
    """What lies in the data folder, without the pointers."""
    return {path.relative_to(data): path.read_bytes() for path in data.glob("*/**/*") if path.is_file()}


def empty(data: Path) -> None:
    for name in command.FOLDERS:
        shutil.rmtree(data / name)


def test_the_demo_is_drawn_once_and_then_restored(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.demo(data)
    assert capsys.readouterr().out == "demo: drew 1 files into data/raw, PDFs and photos, and labels into data/annotations\n"
    assert held(data) == DRAWN
    empty(data)
    command.demo(data)
    assert capsys.readouterr().out == "demo: data/raw restored from DVC's cache\n"
    assert held(data) == DRAWN


def test_it_is_drawn_anew_where_pointers_name_it_and_the_cache_is_gone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.demo(data)
    empty(data)
    shutil.rmtree(".dvc/cache")
    command.demo(data)
    assert "demo: drew" in capsys.readouterr().out.splitlines()[-1]
    assert held(data) == DRAWN


def test_other_data_are_never_replaced_by_the_demo(data: Path) -> None:
    command.demo(data)
    (data / "raw" / "a.pdf").write_bytes(b"a client's")
    assert dvc("add", "--quiet", "data/raw").returncode == 0
    pointer = Path("data/raw.dvc").read_bytes()
    empty(data)
    shutil.rmtree(".dvc/cache")
    with pytest.raises(BadInput, match=r"data/raw\.dvc names data that are not in DVC's cache"):
        command.demo(data)
    assert held(data) == {}
    assert Path("data/raw.dvc").read_bytes() == pointer
