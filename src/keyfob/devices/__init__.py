"""The source of a request: its address, the device it tells of, the place it comes from."""
