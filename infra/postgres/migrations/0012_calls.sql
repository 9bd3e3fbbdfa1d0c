-- Calls counted before they are made, and breakers before an eBay that is away (design.md §6).

ALTER TABLE ebay.api_budgets
  ADD COLUMN used       bigint NOT NULL DEFAULT 0 CHECK (used >= 0),
  ADD COLUMN used_open  bigint NOT NULL DEFAULT 0 CHECK (used_open >= 0),
  ADD COLUMN asked_at   timestamptz;
COMMENT ON COLUMN ebay.api_budgets.used IS 'Calls made or reserved since the last reset, by all accounts; counts until reset_at.';
COMMENT ON COLUMN ebay.api_budgets.used_open IS 'Of these, by passes over open rows.';
COMMENT ON COLUMN ebay.api_budgets.asked_at IS 'When getRateLimits was last asked, kept with the API that answers it.';

CREATE TABLE ebay.api_breakers (
  environment  text NOT NULL,
  api          text NOT NULL,
  account_id   bigint NOT NULL,
  failures     integer NOT NULL CHECK (failures > 0),
  opened_at    timestamptz,
  probe_at     timestamptz,
  PRIMARY KEY (environment, api, account_id),
  CHECK ((opened_at IS NULL) = (probe_at IS NULL))
);
COMMENT ON TABLE ebay.api_breakers IS 'Failures in a row. api empty and account 0: every call of the application.';
COMMENT ON COLUMN ebay.api_breakers.probe_at IS 'When one unit may try; the others wait.';
