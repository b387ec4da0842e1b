"""How a model is fitted: encoders, heads, fusion, calibration, abstention, familiarity."""
