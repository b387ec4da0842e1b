"""A file of data/raw to items, a function a kind of file."""
