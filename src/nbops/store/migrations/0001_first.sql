CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL,
  noun TEXT NOT NULL, name TEXT NOT NULL, what TEXT NOT NULL
);
CREATE TABLE runs (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, experiment TEXT NOT NULL, status TEXT NOT NULL,
  started_at TEXT NOT NULL, ended_at TEXT, parent TEXT, notebook TEXT, cache_key TEXT, body TEXT NOT NULL
);
CREATE INDEX runs_by_time ON runs (started_at);
CREATE INDEX runs_by_parent ON runs (parent);
CREATE INDEX runs_by_notebook ON runs (notebook, started_at);
CREATE INDEX runs_by_cache_key ON runs (cache_key);
CREATE TABLE records (
  run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, seq INTEGER NOT NULL, cell_id TEXT, source TEXT NOT NULL,
  digest TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, seq)
);
CREATE INDEX records_by_digest ON records (digest);
CREATE TABLE params (
  run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (run, key)
);
CREATE INDEX params_by_key ON params (key, value, run);
CREATE TABLE metrics (
  id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL, key TEXT NOT NULL, step INTEGER, value REAL, source TEXT NOT NULL,
  model TEXT, data TEXT, line INTEGER
);
CREATE INDEX metrics_by_run ON metrics (run, key, id);
CREATE INDEX metrics_by_key ON metrics (key, value, run);
CREATE TABLE artifacts (
  run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, seq INTEGER NOT NULL, name TEXT NOT NULL,
  kind TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, media TEXT NOT NULL, about TEXT NOT NULL
);
CREATE INDEX artifacts_by_run ON artifacts (run, kind);
CREATE INDEX artifacts_by_digest ON artifacts (digest);
CREATE TABLE data_uses (
  run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, seq INTEGER NOT NULL, name TEXT NOT NULL,
  direction TEXT NOT NULL, digest TEXT, kind TEXT NOT NULL
);
CREATE INDEX data_uses_by_run ON data_uses (run, seq);
CREATE INDEX data_uses_by_digest ON data_uses (digest);
CREATE TABLE model_versions (
  name TEXT NOT NULL, number INTEGER NOT NULL, run TEXT NOT NULL, artifact TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (name, number)
);
CREATE TABLE aliases (
  model TEXT NOT NULL, alias TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (model, alias),
  FOREIGN KEY (model, version) REFERENCES model_versions (name, number)
);
CREATE TABLE promotions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, model TEXT NOT NULL, alias TEXT NOT NULL,
  deployment TEXT, action TEXT NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX promotions_by_model ON promotions (model, alias, seq);
CREATE TABLE deployments (name TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE scorings (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL UNIQUE, deployment TEXT NOT NULL, model TEXT NOT NULL,
  version INTEGER NOT NULL, input TEXT NOT NULL, period TEXT NOT NULL, body TEXT NOT NULL,
  UNIQUE (deployment, model, version, input)
);
CREATE TABLE label_batches (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, deployment TEXT NOT NULL, digest TEXT NOT NULL,
  body TEXT NOT NULL, UNIQUE (deployment, digest)
);
CREATE TABLE performances (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, deployment TEXT NOT NULL, period TEXT NOT NULL, version INTEGER NOT NULL,
  run TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX performances_by_deployment ON performances (deployment, seq);
CREATE TABLE drift_reports (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, deployment TEXT NOT NULL, period TEXT NOT NULL,
  run TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX drift_reports_by_deployment ON drift_reports (deployment, seq);
CREATE TABLE alerts (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, deployment TEXT NOT NULL, kind TEXT NOT NULL,
  cause TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (deployment, kind, cause)
);
CREATE TABLE decisions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, deployment TEXT NOT NULL,
  "trigger" TEXT NOT NULL, cause TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (deployment, "trigger", cause)
);
CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, decision TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL, lease_until TEXT NOT NULL, body TEXT NOT NULL
);
