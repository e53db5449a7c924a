"""The physical scenes the emulated instruments replay: the NQR bay and the magnetic lane."""
