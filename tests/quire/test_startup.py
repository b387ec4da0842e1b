"""What `make install` lets every Python of .venv do first: its own commands are found, whoever calls it and how."""

import subprocess
import sys
from pathlib import Path

BINARIES = Path(sys.executable).parent
BARE = {"HOME": str(Path.home()), "PATH": "/usr/bin:/bin"}
SHOW = "import os; print(os.environ['PATH'])"
NESTED = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SHOW!r}])"


def bare(*command: str, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of .venv by its path, with next to nothing in the environment."""
    binary, *arguments = command
    return subprocess.run(
        [str(BINARIES / binary), *arguments], cwd=folder, env=BARE | environment, capture_output=True, text=True, check=False
    )


def test_the_environments_own_commands_come_first_and_once() -> None:
    assert bare("python", "-c", NESTED).stdout == f"{BINARIES}:/usr/bin:/bin\n"
    assert bare("python", "-c", NESTED, PATH=f"/usr/bin:{BINARIES}").stdout == f"{BINARIES}:/usr/bin:{BINARIES}\n"


def test_dvc_repro_finds_python_without_help(tmp_path: Path) -> None:
    stage = "stages: {say: {cmd: \"python -c 'import sys, numpy; print(sys.executable)' > said\", outs: [said]}}\n"
    (tmp_path / "dvc.yaml").write_text(stage)
    assert bare("dvc", "init", "--no-scm", "--quiet", folder=tmp_path).returncode == 0
    done = bare("dvc", "repro", folder=tmp_path, DVC_SITE_CACHE_DIR=str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    assert Path((tmp_path / "said").read_text().strip()).samefile(sys.executable)
