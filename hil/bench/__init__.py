"""Measurements of the gateway as it stands, on emulated instruments. Nothing here asserts a figure."""
