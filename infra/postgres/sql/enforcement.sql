-- Plans of judgments. Lock order: the job's row, the judgment, its plan, the plan's actions.

-- name: standing
SELECT known.confidence, known.employer IS NOT NULL AS employer, known.income, known.bank IS NOT NULL AS bank,
       known.benefits_only, known.homeowner,
       ARRAY(SELECT type FROM enforcement.actions action JOIN enforcement.plans plan ON plan.id = action.plan_id
              WHERE plan.judgment_id = judgment.id AND action.status IN ('planned', 'pending')) AS under_way
  FROM intake.judgments judgment
  LEFT JOIN enforcement.intelligence known ON known.judgment_id = judgment.id
 WHERE judgment.id = :judgment_id;

-- name: plan
-- Of a judgment that is gone by now nothing is written. What somebody else has planned meanwhile stays as it is.
WITH judgment AS (
  SELECT id FROM intake.judgments WHERE id = :judgment_id FOR KEY SHARE
), plan AS (
  INSERT INTO enforcement.plans (judgment_id, created_at, updated_at)
  SELECT id, CAST(:now AS timestamptz), CAST(:now AS timestamptz) FROM judgment
  ON CONFLICT (judgment_id) DO UPDATE SET updated_at = EXCLUDED.updated_at
  RETURNING id
)
INSERT INTO enforcement.actions (plan_id, type, status, needs_signature, because, job_id, created_at, updated_at)
SELECT plan.id, wanted.type, 'planned', wanted.needs_signature, wanted.because, :job_id,
       CAST(:now AS timestamptz), CAST(:now AS timestamptz)
  FROM plan
 CROSS JOIN jsonb_to_recordset(CAST(:actions AS jsonb)) AS wanted (type text, needs_signature boolean, because text)
ON CONFLICT (plan_id, type) WHERE status IN ('planned', 'pending') DO NOTHING;

-- name: choose
WITH judgment AS (
  SELECT id FROM intake.judgments WHERE id = :judgment_id FOR KEY SHARE
)
INSERT INTO enforcement.plans (judgment_id, strategy, created_at, updated_at)
SELECT id, :strategy, CAST(:now AS timestamptz), CAST(:now AS timestamptz) FROM judgment
ON CONFLICT (judgment_id) DO UPDATE SET strategy = EXCLUDED.strategy, updated_at = EXCLUDED.updated_at;
