CREATE TABLE schedules (name TEXT PRIMARY KEY, next_at TEXT, body TEXT NOT NULL);
CREATE INDEX schedules_by_time ON schedules (next_at);
CREATE TABLE marks (name TEXT PRIMARY KEY, value TEXT NOT NULL);
ALTER TABLE decisions ADD COLUMN schedule TEXT;
CREATE INDEX decisions_by_schedule ON decisions (schedule, seq);
ALTER TABLE jobs ADD COLUMN schedule TEXT;
ALTER TABLE jobs ADD COLUMN due TEXT NOT NULL DEFAULT '';
CREATE INDEX jobs_by_status ON jobs (status, due);
CREATE INDEX jobs_by_schedule ON jobs (schedule, status);
