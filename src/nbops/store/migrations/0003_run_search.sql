-- The last value of each metric of a run, kept by whoever writes metrics, so that runs are listed, sorted and filtered by
-- a metric without looking at its steps; the numbers among the parameters; a run's seconds and tags. Of runs that ended
-- before this, seconds and tags stay unknown to the search.
CREATE TABLE run_metrics (
  run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, key TEXT NOT NULL, value REAL, PRIMARY KEY (run, key)
);
INSERT INTO run_metrics (run, key, value)
  SELECT m.run, m.key, m.value FROM metrics m
  JOIN (SELECT max(id) AS id FROM metrics GROUP BY run, key) newest ON newest.id = m.id;
CREATE INDEX run_metrics_by_value ON run_metrics (key, value, run);
ALTER TABLE params ADD COLUMN number REAL;
UPDATE params SET number = CAST(value AS REAL)
  WHERE substr(value, 1, 1) IN ('-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9');
UPDATE params SET number = CAST(substr(value, 4, length(value) - 4) AS REAL)
  WHERE substr(value, 1, 4) IN ('"f:0', '"f:1', '"f:2', '"f:3', '"f:4', '"f:5', '"f:6', '"f:7', '"f:8', '"f:9');
CREATE INDEX params_by_number ON params (key, number, run);
ALTER TABLE runs ADD COLUMN seconds REAL;
ALTER TABLE runs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
CREATE INDEX runs_by_name ON runs (name);
CREATE INDEX runs_by_status ON runs (status);
CREATE INDEX runs_by_seconds ON runs (seconds);
