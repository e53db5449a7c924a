"""The world made up: physical scenes and the emulated instruments that replay them."""
