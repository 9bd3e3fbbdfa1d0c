-- What is planned for judgments: docs/intake.md. Lock order: the job's row, the judgment, its plan, the plan's actions.

DO $$ BEGIN
  IF to_regnamespace('enforcement') IS NULL THEN CREATE SCHEMA enforcement; END IF;
END $$;

CREATE TABLE enforcement.intelligence (
  judgment_id    uuid PRIMARY KEY REFERENCES intake.judgments (id) ON DELETE CASCADE,
  employer       text CHECK (employer <> ''),
  income         text CHECK (income IN ('HIGH', 'MED', 'LOW')),
  bank           text CHECK (bank <> ''),
  benefits_only  boolean NOT NULL DEFAULT false,
  homeowner      boolean NOT NULL DEFAULT false,
  confidence     integer NOT NULL CHECK (confidence BETWEEN 0 AND 100),
  updated_at     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE enforcement.intelligence IS 'What is known of a debtor; whoever finds it out writes it here.';
COMMENT ON COLUMN enforcement.intelligence.benefits_only IS 'Nothing comes to the account but what is exempt.';

-- One per judgment, however often it is planned.
CREATE TABLE enforcement.plans (
  id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  judgment_id  uuid NOT NULL UNIQUE REFERENCES intake.judgments (id) ON DELETE CASCADE,
  strategy     text CHECK (strategy IN ('wage_garnishment', 'bank_levy', 'property_lien', 'surveillance')),
  created_at   timestamptz NOT NULL,
  updated_at   timestamptz NOT NULL
);

CREATE TABLE enforcement.actions (
  id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  plan_id          uuid NOT NULL REFERENCES enforcement.plans (id) ON DELETE CASCADE,
  type             text NOT NULL CHECK (type IN ('asset_search', 'bank_levy', 'demand_letter', 'income_execution',
                                                 'information_subpoena', 'restraining_notice')),
  status           text NOT NULL CHECK (status IN ('planned', 'pending', 'completed', 'failed', 'cancelled')),
  needs_signature  boolean NOT NULL,
  because          text NOT NULL,
  job_id           uuid NOT NULL,
  created_at       timestamptz NOT NULL,
  updated_at       timestamptz NOT NULL
);
COMMENT ON COLUMN enforcement.actions.status IS 'Cronshot writes `planned`; the office the others.';
CREATE UNIQUE INDEX actions_under_way ON enforcement.actions (plan_id, type) WHERE status IN ('planned', 'pending');
