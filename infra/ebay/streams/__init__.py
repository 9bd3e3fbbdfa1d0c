"""One module per stream: where eBay keeps the list, and how it is read."""
