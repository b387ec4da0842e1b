"""What people read: the model card, figures, the summary."""
