"""The text expert by an earlier system's protocol: python -m benchmarks.reviews <folder with batch_1.csv, batch_2.csv, …>.

Of each batch and all before it a random 20 % of the rows is the test set (random state 20), duplicates not grouped: the figures
compare with that system's, and are higher than those of a split that keeps duplicates together.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

from quire.model.analyser import Analyser
from quire.training.text import count
from quire.training.text_expert import fit_text

ANALYSER = Analyser(replacements={"r.a.s": "bien", "ras le bol": "mauvais"}, words=2, characters=(2, 5), bits=16)
RIDGE = 0.1  # beside the sum of all losses: C = 5 in scikit-learn's terms


def main() -> None:
    rows: list[dict[str, str]] = []
    for path in sorted(Path(sys.argv[1]).glob("batch_*.csv")):
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows += csv.DictReader(stream)
        accuracy, macro_f1 = figures(rows)
        print(f"up to {path.name}: {len(rows)} rows, accuracy {accuracy:.4f}, macro-F1 {macro_f1:.4f}", flush=True)


def figures(rows: list[dict[str, str]]) -> tuple[float, float]:
    """Accuracy and macro-F1 of the test set."""
    targets = np.array([int(float(row["star"]) >= 3) for row in rows])
    train, test = train_test_split(np.arange(len(rows)), test_size=0.2, random_state=20)
    counted = count((row["Commentaire"] for row in rows), ANALYSER)
    predicted = fit_text(counted[train], targets[train], 2, RIDGE).logits(counted[test]).argmax(1)
    return float((predicted == targets[test]).mean()), float(f1_score(targets[test], predicted, average="macro"))


if __name__ == "__main__":
    main()
