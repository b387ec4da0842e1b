"""Data that the demo draws and writes."""
