"""The demo of reviews: made-up French sentences of two shops, with what real tables hold: duplicates, contradictions, HTML, emoji.

All is drawn by a seeded generator: the same bytes on every machine.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from random import Random

SEED, REVIEWS = 5, 360
COLUMNS = ["id", "commentaire", "etoiles", "site"]
THINGS = ["la livraison", "le colis", "le service client", "la commande", "le remboursement", "la qualité", "le site", "le vendeur"]
GOOD = ["rapide", "impeccable", "parfait", "très bien", "efficace", "au top", "conforme", "sérieux", "agréable", "soigné"]
BAD = [
    "en retard",
    "décevant",
    "injoignable",
    "cassé",
    "trop long",
    "une arnaque",
    "incomplet",
    "lamentable",
    "inadmissible",
    "sale",
]
OPEN = [
    "",
    "Bonjour, ",
    "Franchement, ",
    "Première commande : ",
    "Je trouve que ",
    "Cette fois ",
    "Comme toujours, ",
    "Hélas ou tant mieux, ",
]
CLOSE = {
    "5": ["je recommande", "merci beaucoup", "rien à redire", "j'y reviendrai"],
    "1": ["je ne recommande pas", "plus jamais", "à fuir", "toujours pas remboursé"],
}
BETWEEN = [
    "correct",
    "normal",
    "comme prévu",
    "ni bien ni mal",
    "sans plus",
]  # said by those who are content and by those who are not
ODD = [
    ("<p>Livraison <b>rapide</b>&nbsp;, merci&nbsp;!</p>", "5"),
    ("👍👍 au top 😀", "5"),
    ("😡😡 une arnaque 😡", "1"),
    ("", "5"),  # no text: a row of the ledger with its reason
    ("LE COLIS EST CASSÉ", "1"),
    ("le colis est cassé !!!", "1"),  # the same after folding case and punctuation
    ("Très bien, je recommande", "5"),
    ("Très bien, je recommande", "1"),  # and one of two who clicked on the wrong star
]


def files() -> Iterator[tuple[Path, bytes]]:
    """The demo's one file, relative to the data folder, with its bytes."""
    random, stream = Random(SEED), io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(COLUMNS)
    said = [_review(random) for _ in range(REVIEWS)] + ODD
    table.writerows((number, text, stars, random.choice(("boutique", "marché"))) for number, (text, stars) in enumerate(said))
    yield Path("raw", "avis.csv"), stream.getvalue().encode()


def _review(random: Random) -> tuple[str, str]:
    """A text and its stars, 1 to 5; one in ten says nothing either way."""
    content = random.random() < 0.5
    words = BETWEEN if random.random() < 0.1 else GOOD if content else BAD
    parts = [f"{thing} est {random.choice(words)}" for thing in random.sample(THINGS, random.randint(1, 3))]
    if random.random() < 0.5:
        parts.append(random.choice(CLOSE["5" if content else "1"]))
    text = random.choice(OPEN) + ", ".join(parts) + random.choice((".", " !", "", "…"))
    return text[:1].upper() + text[1:], random.choice("345" if content else "12")
