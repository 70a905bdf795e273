-- Which of these files this database has been through.
CREATE TABLE schema_versions (version INTEGER PRIMARY KEY, name TEXT NOT NULL);

-- The log. A row is written once; what is written stays.
CREATE TABLE beads (seq INTEGER PRIMARY KEY, kind TEXT, bytes BLOB, leaf BLOB);

-- Uniqueness is a key of the store, not a check before the write. The sixteen bytes of the uuid.
CREATE TABLE bead_ids (bead_id BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;

-- One row: where the log ends, and the roots of its perfect subtrees. Changed in the transaction of each append.
CREATE TABLE frontier (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  size INTEGER NOT NULL,
  leaf TEXT NOT NULL,
  peaks BLOB NOT NULL
);
INSERT INTO frontier VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000', x'');

-- Free text that beads point at by its hash.
CREATE TABLE texts (hash TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;

-- Every checkpoint that the log signed, with the frontier from which the next one must follow.
CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, peaks BLOB NOT NULL, note TEXT NOT NULL);

-- The state of the desk after `size` beads, one for each way to read it. Never evidence: ignored where it does not fit.
CREATE TABLE snapshots (
  schema TEXT PRIMARY KEY,
  size INTEGER NOT NULL,
  peaks BLOB NOT NULL,
  digest BLOB NOT NULL,
  data BLOB NOT NULL
);

-- A replaced row would slip past the two triggers on change; a number that is not the next one does not.
CREATE TRIGGER beads_have_no_gap BEFORE INSERT ON beads
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq) + 1, 0) FROM beads)
BEGIN SELECT raise(ABORT, 'a bead takes the next number'); END;

CREATE TRIGGER beads_stay BEFORE UPDATE ON beads BEGIN SELECT raise(ABORT, 'beads are never changed'); END;
CREATE TRIGGER beads_are_kept BEFORE DELETE ON beads BEGIN SELECT raise(ABORT, 'beads are never deleted'); END;
CREATE TRIGGER bead_ids_stay BEFORE UPDATE ON bead_ids BEGIN SELECT raise(ABORT, 'beads are never changed'); END;
CREATE TRIGGER bead_ids_are_kept BEFORE DELETE ON bead_ids BEGIN SELECT raise(ABORT, 'beads are never deleted'); END;
CREATE TRIGGER checkpoints_only_grow BEFORE INSERT ON checkpoints
WHEN NEW.size <= (SELECT max(size) FROM checkpoints)
BEGIN SELECT raise(ABORT, 'a checkpoint is of a longer log than the last one'); END;
CREATE TRIGGER checkpoints_stay BEFORE UPDATE ON checkpoints
BEGIN SELECT raise(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER checkpoints_are_kept BEFORE DELETE ON checkpoints
BEGIN SELECT raise(ABORT, 'checkpoints are never deleted'); END;
