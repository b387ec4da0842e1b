"""From a commit to a running service: the bento, its image, and what runs it."""
