"""Where results lie: paths from the repository's root."""

ITEMS = "data/items.csv"
IMAGES = "data/images"
TEXTS = "data/texts.csv"
LABELS = "data/labels.csv"
VOTES = "data/votes.csv"
SPLIT = "data/split.csv"
CHALLENGE = "data/challenge"

MODEL_FOLDER = "model"
MODEL = "model/model.json"  # which names all that lies beside it
OUT_OF_FOLD = "reports/out_of_fold.csv"
GATE = "reports/gate.json"
METRICS = "reports/metrics.json"
