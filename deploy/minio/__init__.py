"""MinIO, built from source and run on loopback."""
