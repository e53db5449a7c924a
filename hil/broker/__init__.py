"""A small MQTT broker for a demo where none is installed: 3.1.1 and 5, QoS 0 and 1, loopback, in memory."""
