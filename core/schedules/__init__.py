"""When work is enqueued by the clock: cron expressions, zones, misfires."""
