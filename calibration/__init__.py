"""Calibration certificates: read, checked, applied with uncertainty, and made from live attitudes."""
