"""Every adapter of a port keeps the same promises."""
