"""Measure the detector against the best that physics allows, scan by scan."""
