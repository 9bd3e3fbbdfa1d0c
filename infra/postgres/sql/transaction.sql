-- name: let_the_other_through
-- 20 to 120 ms, waited by the database.
SELECT pg_sleep(0.02 + 0.1 * random());
