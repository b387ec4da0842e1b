"""What the backbone knows: groups of its classes, and what they make of an answer."""

import pytest

from quire.command import BadInput

LABELS = ["cat", "dog", "other"]
GROUPS: dict[str, list[str] | str] = {
    "cat": ["281 tabby .. 285 Egyptian cat"],
    "dog": ["151 Chihuahua .. 268 Mexican hairless"],
    "other": "background",
}


@pytest.mark.pipeline
def test_a_group_is_a_class_or_a_span_and_the_background_is_what_is_left() -> None:
    from quire.training.zero_shot import members

    cat, dog, other = members(GROUPS, LABELS)
    assert cat == [281, 282, 283, 284, 285]
    assert len(dog) == 118
    assert sorted(cat + dog + other) == list(range(1000))
    assert members({"horse": ["339 sorrel"], "cow": ["345 ox"]}, ["cow", "horse"]) == [[345], [339]]


@pytest.mark.pipeline
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cat": ["281 tiger cat"]}, r"groups\.cat: '281 tiger cat': class 281 is 'tabby', not 'tiger cat'"),
        ({"cat": ["1281 tabby"]}, "'1281 tabby' is no class"),
        ({"cat": ["tabby"]}, "'tabby' is no class"),
        ({"cat": ["285 Egyptian cat .. 281 tabby"]}, "is no span"),
        ({"cat": ["281 tabby", "281 tabby"]}, "281 tabby is named twice"),
        ({"cat": ["151 Chihuahua"]}, "151 Chihuahua is named twice, the first time for"),
        ({"cat": "background"}, "cat and other cannot both be the background"),
        ({"cat": "cats"}, "'cats' is neither a list of groups nor `background`"),
        ({"cat": []}, "is neither a list of groups nor `background`"),
        ({"horse": ["339 sorrel"]}, "'horse' is none of the labels cat, dog, other"),
    ],
)
def test_a_wrong_group_is_named(change: dict[str, list[str] | str], message: str) -> None:
    from quire.training.zero_shot import members

    with pytest.raises(BadInput, match=message):
        members(GROUPS | change, LABELS)


@pytest.mark.pipeline
def test_a_label_without_groups_is_named() -> None:
    from quire.training.zero_shot import members

    with pytest.raises(BadInput, match="the label 'other' has no groups"):
        members({"cat": GROUPS["cat"], "dog": GROUPS["dog"]}, LABELS)


@pytest.mark.pipeline
def test_the_experts_answer_two_questions() -> None:
    import torch

    from quire.training.zero_shot import zero_shot

    experts = zero_shot(GROUPS, LABELS)
    assert experts
    shares = torch.zeros(1, 1000)
    shares[0, 281], shares[0, 151], shares[0, 0] = 0.6, 0.2, 0.2
    which, anything = experts(shares)[0].exp().tolist()
    assert which == pytest.approx([0.75, 0.25, 1])
    assert anything == pytest.approx([4, 4, 1])


@pytest.mark.pipeline
def test_without_groups_or_with_a_label_that_none_names_there_are_no_such_experts(capsys: pytest.CaptureFixture[str]) -> None:
    from quire.training.fit import plan
    from tests.quire.training.test_strategies import settings

    assert plan(LABELS, settings(groups={})).experts is None
    assert capsys.readouterr().out == ""
    lacking = plan(["cat", "horse"], settings(groups=GROUPS))
    assert (lacking.experts, lacking.background) == (None, None)
    assert "does not name horse" in capsys.readouterr().out
    assert plan(LABELS, settings(groups=GROUPS)).background == 2
    assert plan(["cat", "dog"], settings(groups=GROUPS)).background is None
