"""The stages of dvc.yaml, one file each, and the few modules that they share."""
