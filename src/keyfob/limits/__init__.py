"""Request rates and attempt throttles, in the notation of the `limits` library."""
