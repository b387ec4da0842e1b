"""Images to an annotation tool and labels back.

python -m labelling push --tool ecotag|label-studio [--only unsure|disagreement|feedback|unlabelled]
python -m labelling pull --tool ecotag|label-studio
python -m labelling status --tool ecotag|label-studio

ECOTAG_URL and ECOTAG_TOKEN, or LABEL_STUDIO_URL and LABEL_STUDIO_TOKEN, say where the server is and who asks; a token
that is not in the environment is asked for. `labelling` in params.yaml says what the project looks like.
"""

import argparse
import os
import sys
from getpass import getpass

from labelling.choose import CHOICES
from labelling.ecotag import Ecotag
from labelling.errors import LabellingError
from labelling.label_studio import LabelStudio
from labelling.parameters import Parameters, read_parameters
from labelling.pull import pull
from labelling.push import push
from labelling.status import status
from labelling.tool import Tool

TOOLS: dict[str, type[Ecotag] | type[LabelStudio]] = {"ecotag": Ecotag, "label-studio": LabelStudio}


def connect(name: str, parameters: Parameters) -> Tool:
    """A client of the tool of that name, by the environment. Raises LabellingError that names the missing variable."""
    prefix = name.upper().replace("-", "_")
    url, token = os.environ.get(f"{prefix}_URL", ""), os.environ.get(f"{prefix}_TOKEN", "")
    if not url:
        raise LabellingError(f"{prefix}_URL names no server")
    if not token and not sys.stdin.isatty():
        raise LabellingError(f"{prefix}_TOKEN is empty, and there is nobody to ask")
    return TOOLS[name](url, (token or getpass(f"{prefix}_TOKEN: ")).strip(), parameters)


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    parser = argparse.ArgumentParser(prog="python -m labelling", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, purpose in (("push", "send images"), ("pull", "fetch labels"), ("status", "say how far it is")):
        commands.add_parser(command, help=purpose).add_argument("--tool", choices=TOOLS, required=True)
    commands.choices["push"].add_argument("--only", choices=CHOICES, help="a round of these images instead of all")
    given = parser.parse_args()
    try:
        parameters = read_parameters()
        tool = connect(given.tool, parameters)
        if given.command == "push":
            push(tool, parameters, given.only)
        elif given.command == "pull":
            pull(tool, given.tool, parameters)
        else:
            status(tool, parameters)
    except (LabellingError, OSError) as error:
        sys.exit(f"{given.command}: error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{given.command}: broken off; the same command goes on where it stopped")


if __name__ == "__main__":
    main()
