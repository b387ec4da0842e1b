import os
import pty
import sys

import pytest

from labelling.ecotag import Ecotag
from tests.conftest import ROOT
from tests.labelling.conftest import Folder
from tests.labelling.ecotag_server import State


def test_a_token_is_no_argument(folder: Folder) -> None:
    refused = folder.run("push", "--tool", "ecotag", "--token", "secret")
    assert (refused.returncode, "No such option: --token" in refused.stderr) == (2, True)


@pytest.mark.server
def test_a_token_that_is_not_in_the_environment_is_asked_for_and_not_shown(ecotag: State, client: Ecotag, folder: Folder) -> None:
    given = folder.environment.pop("ECOTAG_TOKEN")
    child, terminal = pty.fork()
    if child == 0:
        surroundings = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "80"} | folder.environment
        os.execve(sys.executable, [sys.executable, "-m", "quire", "labels", "push", "--tool", "ecotag"], surroundings)
    shown = b""
    while not shown.endswith(b"ECOTAG_TOKEN: "):
        shown += os.read(terminal, 1000)
    os.write(terminal, given.encode() + b"\n")
    try:
        while part := os.read(terminal, 1000):
            shown += part
    except OSError:  # the terminal's other end is closed
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert b"push: quire: 0 of 24 were there, 24 sent, 0 refused" in shown
    assert given.encode() not in shown
