-- Streams that a person switches, and cursors that he sets back (design.md §6, §10).

ALTER TABLE ebay.sync_states
  ADD COLUMN switched_at  timestamptz,
  ADD COLUMN switched_via text;
COMMENT ON COLUMN ebay.sync_states.switched_at IS 'When somebody last paused or resumed it or changed its interval, and by what.';

CREATE TABLE ebay.cursor_changes (
  id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id         bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  stream             text NOT NULL,
  pass               text NOT NULL,
  changed_at         timestamptz NOT NULL,
  via                text NOT NULL,
  reason             text,
  calls_expected     integer NOT NULL CHECK (calls_expected >= 0),
  old_cursor_at      timestamptz,
  old_window_from    timestamptz,
  old_window_to      timestamptz,
  old_window_goal    timestamptz,
  old_window_limit   integer,
  old_window_offset  integer,
  old_window_total   integer,
  old_window_pass    integer,
  new_cursor_at      timestamptz NOT NULL CHECK (isfinite(new_cursor_at)),
  undone_at          timestamptz,
  undone_via         text,
  CHECK ((undone_at IS NULL) = (undone_via IS NULL))
);
CREATE INDEX cursor_changes_by_unit ON ebay.cursor_changes (account_id, stream, id DESC);
COMMENT ON TABLE ebay.cursor_changes IS 'Every rewind of a cursor: who, when, why, and what stood there before.';
COMMENT ON COLUMN ebay.cursor_changes.undone_at IS 'When the old cursor and window were put back.';
