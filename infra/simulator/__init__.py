"""An eBay to develop against; never part of the deployed package."""
