"""A client of the annotation tool that the environment names.

ECOTAG_URL and ECOTAG_TOKEN, or LABEL_STUDIO_URL and LABEL_STUDIO_TOKEN, say where the server is and who asks; a token
that is not in the environment is asked for. `labelling` in params.yaml says what the project looks like.
"""

import os
import sys
from getpass import getpass

from labelling.ecotag import Ecotag
from labelling.errors import LabellingError
from labelling.label_studio import LabelStudio
from labelling.parameters import Parameters
from labelling.tool import Tool

TOOLS: dict[str, type[Ecotag] | type[LabelStudio]] = {"ecotag": Ecotag, "label-studio": LabelStudio}


def connect(name: str, parameters: Parameters) -> Tool:
    """A client of the tool of that name. Raises LabellingError that names the missing variable."""
    prefix = name.upper().replace("-", "_")
    url, token = os.environ.get(f"{prefix}_URL", ""), os.environ.get(f"{prefix}_TOKEN", "")
    if not url:
        raise LabellingError(f"{prefix}_URL names no server")
    if not token and not sys.stdin.isatty():
        raise LabellingError(f"{prefix}_TOKEN is empty, and there is nobody to ask")
    return TOOLS[name](url, (token or getpass(f"{prefix}_TOKEN: ")).strip(), parameters)
