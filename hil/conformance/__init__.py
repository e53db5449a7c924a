"""Does this instrument, on this port, keep its promises? A pytest plugin, its suite, and the signed report."""
