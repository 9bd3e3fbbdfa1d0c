"""What is measured: each module is one process that brings orders into a database and ends."""
