"""What answers: inputs, the predictor, why it answers so. No torch, no DVC."""
