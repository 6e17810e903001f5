"""The source of a request: its address, and the device and place that follow from it."""
