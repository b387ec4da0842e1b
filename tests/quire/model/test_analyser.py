from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from quire.model.analyser import KNOWN, Analyser


def analyser_with(**settings: Any) -> Analyser:
    return Analyser.model_validate({"replacements": {}, "words": 2, "characters": (2, 5), "bits": 16} | settings)


ANALYSER = analyser_with()
SCRIPTS = [
    "déçu ! très déçu…",
    "Не рекомендую",
    "不推荐这个网站",
    "لا أنصح به",
    "लेख ठीक नहीं",
    "👩‍👩‍👧 👍🏽 <3",
    "ｆｕｌｌ ｗｉｄｔｈ",
    "\ud800 alone",
]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("<p class='a'>Très&nbsp;<b>BON</b></p>", " très  bon  "),
        ("l&#233;ger &amp; doux &#128077;", "léger & doux 👍"),
        ("e\u0301te\u0301 ﬁn ① Straße", "été fin 1 strasse"),
        ("i <3 it, a < b and c > d", "i <3 it, a < b and c > d"),
    ],
)
def test_tags_go_entities_are_decoded_and_what_looks_alike_is_alike(text: str, folded: str) -> None:
    assert ANALYSER.fold(text) == folded


def test_replacements_are_whole_words_of_any_case_the_longest_first() -> None:
    rules = {"ras": "rien", "ras le bol": "mauvais", "R.A.S": "bien"}
    analyser = analyser_with(replacements=rules)
    assert analyser.fold("r.a.s, Ras le bol ! haras ras") == "bien, mauvais ! haras rien"


def test_ngrams_are_words_their_pairs_and_what_lies_within_a_word() -> None:
    analyser = analyser_with(characters=(2, 3))
    assert list(analyser.ngrams("ab c")) == ["wab", "wc", "wab c", "c a", "cab", "cb ", "c ab", "cab ", "c c", "cc ", "c c "]


@pytest.mark.parametrize("text", SCRIPTS)
def test_the_columns_are_those_of_the_ngrams_in_every_script(text: str) -> None:
    expected = Counter(ANALYSER.column(ngram) for ngram in ANALYSER.ngrams(ANALYSER.fold(text)))
    for _ in range(2):  # read, then looked up
        counts = ANALYSER.counts(text)
        assert dict(zip(counts.columns.tolist(), counts.counts.tolist(), strict=True)) == expected
    assert counts.columns.tolist() == sorted(expected)


@pytest.mark.parametrize("words", [1, 3])
def test_as_many_words_in_a_row_as_are_asked_for(words: int) -> None:
    analyser = analyser_with(words=words)
    expected = {analyser.column(ngram) for ngram in analyser.ngrams("un deux trois quatre")}
    assert set(analyser.counts("un deux trois quatre").columns.tolist()) == expected


def test_a_column_is_a_crc_32_and_stays_so_for_a_model_that_is_written() -> None:
    assert ANALYSER.column("wbon") == 25408
    assert analyser_with(bits=24).column("wbon") & 0xFFFF == 25408


@pytest.mark.parametrize("text", ["", " \n", "<br/>", "&nbsp;"])
def test_a_text_of_nothing_has_no_ngrams(text: str) -> None:
    assert len(ANALYSER.counts(text).columns) == 0


def test_hostile_texts_take_no_more_room() -> None:
    analyser = analyser_with(replacements={"x": "y"}, bits=8)
    assert len(analyser.counts("<a" * 50_000 + "&" * 50_000 + "z" * 50_000).columns) <= 256
    for number in range(0, 3 * KNOWN, 1000):
        analyser.counts(" ".join(map(str, range(number, number + 1000))))
    assert len(analyser._known) == KNOWN


def test_settings_that_make_no_sense_are_refused() -> None:
    wrong: list[dict[str, Any]] = [{"replacements": {"": "a"}}, {"bits": 7}, {"characters": (5, 2)}]
    for settings in wrong:
        with pytest.raises(ValidationError):
            analyser_with(**settings)
