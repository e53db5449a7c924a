"""The second process: reads the journal, talks to the broker. It holds no key and opens no device."""
