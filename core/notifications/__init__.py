"""What eBay tells by itself: verified, acted on once, never taken for data."""
