"""How a model is judged: figures with intervals, baselines, protocols, the gate."""
