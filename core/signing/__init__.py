"""The keys that sign calls for sellers of the EU and the UK: made when needed, sealed, renewed."""
