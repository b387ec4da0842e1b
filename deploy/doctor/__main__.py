"""python -m deploy.doctor: one line a check, each with its remedy. Exit 1 where something wants one."""

import sys
from pathlib import Path

from deploy.doctor.machine import cache_links, disk, mlflow, versions
from deploy.doctor.project import model, secrets
from deploy.doctor.store import store


def main() -> None:
    """Run all checks on the folder at hand."""
    here = Path.cwd()
    findings = [*store(here), versions(here), disk(here), cache_links(here), mlflow(here), model(here), secrets(here)]
    for finding in findings:
        remedy = f" → {finding.remedy}" if finding.remedy else ""
        print(f"{finding.state:5}{finding.check:13}{finding.said}{remedy}")
    wanting = [finding.check for finding in findings if finding.state == "fix"]
    if wanting:
        sys.exit(f"doctor: {', '.join(wanting)}: see the remedy in each line")


if __name__ == "__main__":
    main()
