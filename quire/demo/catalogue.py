"""The demo of a catalogue: made-up products with a French title, a description and a drawn photo, some without one of these.

All is drawn by seeded generators: the same bytes on every machine.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from random import Random

from quire.demo.drawing import draw_thing, encoded

SEED, PRODUCTS = 7, 50  # of each class
COLUMNS = ["reference", "titre", "description", "rayon", "photo", "marque"]
BRANDS = ["Lumo", "Verdi", "Karré", "Oslo & Co", "Petit Bois"]
SAID = {  # of each class the thing that its photos show, and words that its titles use
    "jardin": ("tree", ["arbuste", "plant", "pommier nain", "haie", "olivier"]),
    "fleurs": ("flower", ["bouquet", "rose", "plant", "graines", "composition"]),
    "jouets": ("car", ["voiture miniature", "bolide", "circuit", "modèle réduit", "jouet"]),
    "maisonnettes": ("house", ["cabane", "maison de poupée", "chalet", "abri", "jouet"]),
}
ANY = ["edition limitée", "lot de 2", "grand modèle", "couleur assortie", "nouveauté", "promo"]  # says nothing of the class


def files() -> Iterator[tuple[Path, bytes]]:
    """The table and its photos, relative to the data folder, with their bytes."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(COLUMNS)
    for label, (thing, words) in SAID.items():
        for number in range(PRODUCTS):
            reference = f"{label[:2].upper()}{number:03}"
            random, photo = Random(f"{SEED} {reference}"), f"photos/{reference}.jpg"
            title, description = _words(words, random)
            table.writerow([reference, title, description, label, photo if number % 10 else "", random.choice(BRANDS)])
            if number % 10 and number != 1:  # one in ten has no photo, and of each class one photo is missing
                yield Path("raw", photo), encoded(draw_thing(thing, random), quality=70)
    yield Path("raw", "produits.csv"), stream.getvalue().encode()


def _words(words: list[str], random: Random) -> tuple[str, str]:
    """A title, of which one in four does not say what it is, and a description, which one in three lacks."""
    said = random.choice(ANY) if random.random() < 0.25 else random.choice(words)
    title = f"{said.capitalize()} {random.choice(ANY)}, réf. {random.randrange(1000, 9999)}"
    description = f"<p>{random.choice(words).capitalize()} de qualité, {random.choice(ANY)}.</p>"
    return title, "" if random.random() < 1 / 3 else description
