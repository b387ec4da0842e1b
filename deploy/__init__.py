"""What stands beside the code: the store and the doctor, and from a commit to a running service."""
