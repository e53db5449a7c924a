"""Emulated instruments, each written from its source document and never from the driver."""
