"""Where results come from: lineage, the lock, trace, proof."""
