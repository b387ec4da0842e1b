"""Groups of commands, and what all commands of `quire` share."""
