"""How far two annotators agree, beyond what chance alone would have them agree."""

from collections.abc import Iterator

Labels = dict[str, str]  # by image


def cohens_kappa(one: Labels, other: Labels) -> Iterator[str]:
    """Cohen's kappa (1960) on the images that both labelled, in words; nothing where there is none."""
    from sklearn.metrics import cohen_kappa_score  # noqa: PLC0415  takes a second, and only a status needs it

    both = sorted(one.keys() & other.keys())
    if not both:
        return
    first, second = [one[name] for name in both], [other[name] for name in both]
    share = sum(a == b for a, b in zip(first, second, strict=True)) / len(both)
    if len({*first, *second}) == 1:  # chance alone agrees always
        yield f"agree on {share:.0%} of {len(both)} images; kappa is not defined with one label"
    else:
        yield f"agree on {share:.0%} of {len(both)} images, Cohen's kappa {cohen_kappa_score(first, second):.2f}"
