"""Each in a process of its own: what is confined stays so."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quire.items.readers.cache import Cache
from quire.items.readers.limits import died, within_memory
from quire.items.readers.reading import read_files
from tests.conftest import ROOT, Encode
from tests.quire.items.readers.drawn import BOUNDS, image_object, page

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process holds")


def confined(code: str) -> subprocess.CompletedProcess[str]:
    """Run code after confining its process to 100 MB and an image of 10 MP."""
    lines = "from quire.items.readers.limits import *\nfrom quire.items.readers import pdf\nconfine(100, 10_000_000)\n"
    return subprocess.run([sys.executable, "-c", lines + code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_confined_process_gets_no_more_memory() -> None:
    done = confined("bytes(10_000_000); print('small')\nwith within_memory(100): bytes(300_000_000)")
    assert done.stdout == "small\n"
    assert "MemoryBound: it needs more memory than the limit of 100 MB" in done.stderr


def test_without_a_limit_no_memory_is_the_machines_error() -> None:
    with pytest.raises(MemoryError), within_memory(100):
        raise MemoryError
    with pytest.raises(ValueError, match="other"), within_memory(100):
        raise ValueError("other")


def test_a_confined_process_is_stopped_after_its_processor_time() -> None:
    """The clock does not count."""
    done = confined("import time\nallow_processor_time(0.2)\ntime.sleep(1.5)\nprint('slept', flush=True)\nwhile True: pass")
    assert (done.stdout, done.returncode) == ("slept\n", -signal.SIGXCPU)


def test_what_ran_out_of_memory_gives_back_what_it_had() -> None:
    """Of what is left beside what the process holds already, six tenths are there again while the error is looked at."""
    code = """
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
much = (resource.getrlimit(resource.RLIMIT_AS)[0] - held) * 6 // 10
def too_much():
    first = bytes(much)
    return first, bytes(much)
try:
    with within_memory(100):
        too_much()
except MemoryBound:
    print(len(bytes(much)) == much > 20_000_000)
"""
    done = confined(code)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_what_a_process_read_before_takes_no_memory_from_what_it_reads() -> None:
    """40 images of 4 MB, 160 MB in all, within 130 MB."""
    code = """
from tests.quire.items.readers.drawn import BOUNDS, image_object, page
image = image_object((2000, 2000), bytes(4_000_000), "/ColorSpace /DeviceGray")
data = page("q 90 0 0 90 0 0 cm /I Do Q", {"I": image})
print({(found.problem, found.width) for _ in range(40) for found in pdf.read(data, BOUNDS)})
"""
    done = confined(code)
    assert (done.stdout, done.stderr) == ("{('', 2000)}\n", "")


def test_a_confined_process_ends_with_its_parent() -> None:
    child = "from quire.items.readers.limits import confine; confine(100, 10); import time; print(flush=True); time.sleep(60)"
    parent = (
        f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); import time; time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        pid = int(running.stdout.readline())
        running.kill()
    limit = time.monotonic() + 10
    while _lives(pid) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_what_the_machine_ends_is_no_fault_of_the_file() -> None:
    with pytest.raises(OSError, match="SIGKILL"):
        died(-signal.SIGKILL)
    assert died(-signal.SIGSEGV) == "reading it ended the process (SIGSEGV)"


def test_a_file_that_needs_too_much_memory_is_a_row_and_the_next_is_read(tmp_path: Path, make_image: Encode) -> None:
    side = 6000
    large = image_object((side, side), bytes(4 * side * side), "/ColorSpace /DeviceCMYK")
    (tmp_path / "large.pdf").write_bytes(page("q 90 0 0 90 0 0 cm /I Do Q", {"I": large}))
    (tmp_path / "a.jpg").write_bytes(make_image())
    bounds = type(BOUNDS)(**vars(BOUNDS) | {"max_pixels": side * side, "max_memory": 60})
    cache = Cache(tmp_path / "cache", bounds)
    found = []
    for sha256, reason in read_files([tmp_path / "large.pdf", tmp_path / "a.jpg"], cache, 60):
        assert not reason
        with cache.entry(sha256) as (rows, _):
            found.append([row.problem for row in rows])
    assert found == [["it needs more memory than the limit of 60 MB"], [""]]
