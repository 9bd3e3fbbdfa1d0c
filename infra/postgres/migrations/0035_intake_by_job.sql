-- A job finds what it has begun.
CREATE INDEX batches_by_job ON intake.batches (job_id);
