"""Side by side with what people would otherwise use."""
