-- A deleted run's rows of every table that belongs to it lie in `rows` (JSON) until it is restored or its time is over.
-- Then `rows` is NULL, and the row only says that there was such a run. A later migration that renames a table or column
-- of runs must rename it here too.
CREATE TABLE deleted_runs (
  id TEXT PRIMARY KEY, asked TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, notebook TEXT,
  started_at TEXT NOT NULL, deleted_at TEXT NOT NULL, deleted_by TEXT NOT NULL, rows TEXT
);
CREATE TABLE data_numbers (
  name TEXT NOT NULL, digest TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (name, digest), UNIQUE (name, number)
);
CREATE TABLE data_tags (
  name TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL, at TEXT NOT NULL, by TEXT NOT NULL,
  PRIMARY KEY (name, tag)
);
CREATE TABLE data_descriptions (
  name TEXT NOT NULL, digest TEXT NOT NULL, text TEXT NOT NULL, at TEXT NOT NULL, by TEXT NOT NULL,
  PRIMARY KEY (name, digest)
);
CREATE TABLE data_contents (
  digest TEXT PRIMARY KEY, artifact TEXT NOT NULL, form TEXT NOT NULL, size INTEGER NOT NULL, stored INTEGER NOT NULL,
  run TEXT NOT NULL, at TEXT NOT NULL
);
CREATE INDEX data_contents_by_run ON data_contents (run);
