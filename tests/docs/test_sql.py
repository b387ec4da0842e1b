"""Each query of docs/sql.md answers, and answers right, on tables as the stages, the service and `quire predict` write them."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from quire.items.tables import Assignment, Given, Item, Label, Prediction, write_table
from quire.lifecycle.answers import Answered, Journal, write_answers
from service.store import COLUMNS
from tests.conftest import ROOT

TEXT = (ROOT / "docs/sql.md").read_text(encoding="utf-8")
PARTS = [part.partition("```")[0] for part in TEXT.split("```sql\n")[1:]]
SAID = [part.rstrip().splitlines()[-1] for part in TEXT.split("```sql\n")[:-1]]  # the line before each query
QUERIES = dict(zip(SAID, PARTS, strict=True))
Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Row]]:
    """Two documents of two items, one of them rejected, one labelled by two people who differ; a log with feedback."""
    root = tmp_path_factory.mktemp("sql")
    items = [
        Item(key=f"{name}_page{page}_index0", source=f"{name}.pdf", page=page, status="kept", image_sha256=sha, width=40 + page)
        for name, page, sha in (("a", 0, "s0"), ("a", 1, "s1"), ("b", 0, "s0"))
    ]
    items.append(Item(key="b_page1_index0", source="b.pdf", page=1, status="rejected", reason="damaged"))
    write_table(root / "data/items.csv", Item, items)
    write_table(
        root / "data/labels.csv", Label, [Label("a_page0_index0", "cat", 3, 0.6667), Label("a_page1_index0", "dog", 1, 1.0)]
    )
    votes = [("a_page0_index0", "cat", "one"), ("a_page0_index0", "cat", "two"), ("a_page0_index0", "dog", "three")]
    votes.append(("a_page1_index0", "dog", "one"))
    write_table(root / "data/votes.csv", Given, [Given(key, label, who, "x.json", "0", None) for key, label, who in votes])
    write_table(
        root / "data/split.csv", Assignment, [Assignment("a_page0_index0", "train", 0), Assignment("a_page1_index0", "test")]
    )
    told = [("a_page0_index0", "cat", "cat", 0.9), ("a_page1_index0", "dog", "cat", 0.6)]
    rows = [Prediction(key=key, label=label, prediction=guess, decision=guess, confidence=sure) for key, label, guess, sure in told]
    write_table(root / "reports/out_of_fold.csv", Prediction, rows)
    unsure = Prediction(key="b_page0_index0", prediction="dog", decision="unsure", confidence=0.4)
    write_table(root / "reports/predictions.csv", Prediction, [*rows, unsure])
    journal = Journal(root / "journal")
    said = [
        Answered(source=f"{number}.jpg", key=f"{number}", decision="cat", probabilities=f'{{"cat": {number / 10}}}')
        for number in (7, 9)
    ]
    journal.append([[*said, Answered(source="x", key="x", error="empty")]])
    write_answers(journal, root / "answers.parquet")
    log(root / "feedback")
    with pytest.MonkeyPatch.context() as there:
        there.chdir(root)
        names: dict[str, Any] = {}
        exec(TEXT.split("```python\n")[1].split("```")[0], names)
        answers = names["answers"]

    def asked(words: str) -> list[Row]:
        with pytest.MonkeyPatch.context() as here, duckdb.connect() as database:
            here.chdir(root)
            database.register("answers", answers)
            return database.sql(next(query for said, query in QUERIES.items() if said.startswith(words))).fetchall()

    return asked


def log(store: Path) -> None:
    store.mkdir()
    with sqlite3.connect(store / "answers.db") as database:
        database.execute(f"CREATE TABLE answers ({', '.join(COLUMNS)})")
        for number, decision in enumerate(("cat", "unsure")):
            row = {"id": f"id{number}", "time": 86_400.0 * 365, "sha256": f"s{number}", "prediction": "cat", "decision": decision}
            row |= {"confidence": 0.8, "model": "m"}
            database.execute(f"INSERT INTO answers ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
            label = ("cat", "dog")[number]
            (store / f"id{number}.csv").write_text(f"key,sha256,label,annotator\nid{number},s{number},{label},feedback x\n")


ANSWERS: list[tuple[str, list[Row]]] = [
    ("How much there is", [("kept", None, 3), ("rejected", "damaged", 1)]),
    ("The documents with the most items", [("a.pdf", 2, 40), ("b.pdf", 1, 40)]),
    ("Contents that several", [("s0", 2, ["a_page0_index0", "b_page0_index0"])]),
    ("How many of each class", [("cat", 0, 1), ("dog", 1, 0)]),
    ("What people disagree about", [("a_page0_index0", "cat", 0.6667, ["cat", "cat", "dog"])]),
    ("How often each person agrees", [("one", 2, 1.0), ("two", 1, 1.0), ("three", 1, 0.0)]),
    ("What waits for a label", [("b_page0_index0", "b.pdf")]),
    ("`reports/out_of_fold.csv` has each", [("dog", "cat", 1, 0.6)]),
    ("Which documents are hard", [("a.pdf", 2, 0.5)]),
    ("Items without a label", [("b_page0_index0", "dog", 0.4)]),
    ("What `quire predict` answered", [("cat", 2, 0.8)]),
    ("A day's answers", [("1971-01-01", "m", 2, 0.5)]),
    ("Answers that people corrected", [("id1", "cat", "dog", 0.8)]),
    ("Items of the ledger that the service", [("a_page0_index0", "cat", "cat", "m"), ("a_page1_index0", "dog", "unsure", "m")]),
]


@pytest.mark.parametrize(("words", "expected"), ANSWERS)
def test_the_query_answers(words: str, expected: list[Row], ask: Callable[[str], list[Row]]) -> None:
    found = [tuple(str(cell) if type(cell).__name__ == "date" else cell for cell in row) for row in ask(words)]
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def test_each_query_of_the_page_is_asked() -> None:
    assert len(QUERIES) == len(ANSWERS) == TEXT.count("```sql")
