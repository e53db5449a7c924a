"""From calibrated data to a verdict: interference, whitening, GLRT, network, decision."""
