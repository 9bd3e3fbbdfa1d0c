"""Connecting sellers by their consent at eBay, and letting them go."""
