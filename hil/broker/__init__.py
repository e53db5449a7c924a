"""A small MQTT broker for the demo, where no other is installed: 3.1.1 and 5, QoS 0 and 1, loopback, in memory."""
