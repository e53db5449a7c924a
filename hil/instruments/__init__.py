"""Emulated instruments, each written from the reference of its protocol, never from the driver."""
