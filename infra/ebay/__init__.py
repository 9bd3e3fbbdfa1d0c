"""eBay's HTTP APIs: hosts, OAuth, errors and pages."""
