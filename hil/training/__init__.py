"""Make the classifier: emulated scans, the network, its thresholds, its card. Runs in its own environment."""
