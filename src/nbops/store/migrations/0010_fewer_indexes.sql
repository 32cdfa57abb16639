-- A tracked cell writes each of its metrics and parameters into every index on them, on a page of its own once the store
-- is large: only those stay that are asked. A text among the parameters is looked up by its beginning, as no index of
-- PostgreSQL's holds a long one.
DROP INDEX metrics_by_key;
DROP INDEX metrics_by_run;
CREATE INDEX metrics_by_run ON metrics (run, id);
CREATE INDEX metrics_by_model ON metrics (model) WHERE model IS NOT NULL;
DROP INDEX params_by_key;
CREATE INDEX params_by_text ON params (key, substr(value, 1, 200), run) WHERE number IS NULL;
