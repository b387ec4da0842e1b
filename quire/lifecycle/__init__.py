"""What is done with data and models over time."""
