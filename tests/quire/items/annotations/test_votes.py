import pytest

from quire.items.annotations.votes import Vote, decide, opinions


def vote(annotator: str, label: str, edited: str = "") -> Vote:
    return Vote(name="a", annotator=annotator, label=label, source="e.json", place="", edited=edited)


def votes(said: str) -> list[Vote]:
    """`1cat 2dog`: what each annotator says."""
    return [vote(each[0], each[1:]) for each in said.split()]


@pytest.mark.parametrize(
    ("said", "min_votes", "kind", "label", "agreement"),
    [
        ("", 1, "unlabelled", None, 0.0),
        ("1cat", 1, "labelled", "cat", 1.0),
        ("1cat 1cat", 1, "labelled", "cat", 1.0),
        ("1cat 1dog", 1, "conflict", None, 0.0),
        ("1cat 1dog 2cat 3cat", 1, "conflict", None, 0.0),
        ("1cat 2dog", 1, "tie", None, 0.0),
        ("1cat 2cat 3dog", 1, "labelled", "cat", 2 / 3),
        ("1cat 2cat 3dog 4dog", 1, "tie", None, 0.0),
        ("1cat 2cat 3dog 4other", 1, "tie", None, 0.0),  # half of the votes are no majority
        ("1dog 2cat 3dog 4dog", 1, "labelled", "dog", 0.75),
        ("1cat", 2, "incomplete", None, 0.0),
        ("1cat 1cat", 2, "incomplete", None, 0.0),  # one person, once
        ("1cat 2cat", 2, "labelled", "cat", 1.0),
        ("1cat 2dog", 3, "incomplete", None, 0.0),
    ],
)
def test_each_annotator_has_one_vote_and_more_than_half_of_them_decide(
    said: str, min_votes: int, kind: str, label: str | None, agreement: float
) -> None:
    outcome = decide(votes(said), min_votes)
    assert (outcome.kind, outcome.label) == (kind, label)
    assert outcome.agreement == pytest.approx(agreement)
    assert outcome.voters == len({each[0] for each in said.split()})


def test_the_counts_are_of_annotators_by_label() -> None:
    assert decide(votes("1dog 1dog 2cat 3dog"), 1).counts == {"cat": 1, "dog": 2}


def test_the_latest_answer_of_an_annotator_counts() -> None:
    said = [vote("1", "cat", "2026-02"), vote("1", "dog", "2026-03"), vote("2", "cat", "2026-03"), vote("1", "other", "2026-01")]
    assert opinions(said) == {"1": {"dog"}, "2": {"cat"}}
    assert opinions([vote("1", "cat", "2026-02"), vote("1", "dog", "2026-02")]) == {"1": {"cat", "dog"}}


def feedback(*labels: str) -> list[Vote]:
    return [vote(f"csv:feedback {number:016x}", label) for number, label in enumerate(labels)]


def test_a_word_from_the_annotation_tool_outranks_feedback() -> None:
    """People who had seen the model's answer cost no label, however many they are; what they say is told."""
    outcome = decide(votes("1cat") + feedback("dog", "dog", "cat"), 1)
    assert (outcome.kind, outcome.label, outcome.votes, outcome.agreement) == ("labelled", "cat", 1, 1.0)
    assert outcome.differing == {"dog": 2}
    tied = decide(votes("1cat 2dog") + feedback("dog"), 1)
    assert (tied.kind, tied.label, tied.differing) == ("tie", None, {"dog": 1})  # nor do they break a tie


def test_feedback_labels_what_nobody_else_did_and_its_disagreement_is_no_loss() -> None:
    alone = decide(feedback("dog", "dog", "cat"), 1)
    assert (alone.kind, alone.label, alone.votes, alone.differing) == ("labelled", "dog", 0, {"cat": 1})
    assert alone.agreement == pytest.approx(2 / 3)
    torn = decide(feedback("dog", "cat"), 1)
    assert (torn.kind, torn.label, torn.differing) == ("unlabelled", None, {"cat": 1, "dog": 1})
    few = decide(feedback("dog"), 2)
    assert (few.kind, few.label, few.differing) == ("unlabelled", None, {"dog": 1})
