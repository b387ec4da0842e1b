"""The clients of the annotation tools: push images, pull the export."""
