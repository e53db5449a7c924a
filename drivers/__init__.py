"""Instruments as state machines: bytes or registers in, samples and faults out."""
