-- The database effect of the kinds in storm_kinds.py, read beside the product's own files.

-- name: effect
INSERT INTO storm.effects (job_id, fence) VALUES (:job_id, :fence)
