"""Tables as files: what leaves the database for a spreadsheet or another program."""
