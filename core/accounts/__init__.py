"""Connected eBay sellers: adding, listing, pausing and resuming them."""
