"""The database of the eBay connector that Cronshot replaces: read, never written."""
