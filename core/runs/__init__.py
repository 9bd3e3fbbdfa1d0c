"""One run of one worker: switches, delivery ids, the lease, the run row and the report."""
